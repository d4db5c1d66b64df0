// Counts of one reading, and its refusals: behind the line of the last import.
import { t, tcode, tn } from "../i18n.js";
import { Words, html, when, whole } from "./parts.js";

function Rejections({ run }) {
	if (!run.rejections.length) return null;
	return html`<p>${tn("import.rejected", run.error_count)}</p>
		<ul>${run.rejections.map(({ index, code, field }) => html`
			<li>${t("import.entry", { index: index + 1 })} ${field && html`<code>${field}</code> `}<${Words} text=${tcode(code)} /></li>`)}</ul>`;
}

export function Part({ run }) {
	const facts = {
		at: when(run.at, "full"),
		trigger: html`<${Words} text=${t(`trigger.${run.trigger}`)} />`,
		took: `${whole(Math.ceil(run.duration_ms))} ms`,
		unchanged: whole(run.skipped_count),
	};
	if (run.partial_count) facts.partial = whole(run.partial_count);
	if (run.remaining_count) facts.remaining = whole(run.remaining_count);
	return html`<dl>${Object.entries(facts).map(([name, value]) => html`<div><dt>${t(`import.${name}`)}</dt><dd>${value}</dd></div>`)}</dl>
		<${Rejections} run=${run} />`;
}

