// The last reading, with what it came to, and the button for another one.
import { useState } from "../../vendor/preact-hooks.js";
import { second } from "../clock.js";
import { t, tcode, tn } from "../i18n.js";
import { importNow, importResult, importing, sources } from "../sources.js";
import { state } from "../state.js";
import { Ago, Icon, Later, Words, html } from "./parts.js";

const RESULT_MS = 20_000;

function done({ added_count, updated_count }) {
	const parts = [added_count && tn("import.added", added_count), updated_count && tn("import.updated", updated_count)];
	return parts.filter(Boolean).join(" · ") || t("import.nothing");
}

const errors = ({ error_count }) => tn("import.errors", error_count);

const Counts = ({ run }) => html`<span class="counts"> · ${done(run)}</span><span class=${run.error_count > 0 ? "warn" : "counts"}> · ${errors(run)}</span>`;

/** Of one source, or the newest of those that are shown: when it was, and what came of it. */
export function LastImport({ source }) {
	const [isOpen, setOpen] = useState(false);
	const asked = source ? [source] : state.value.source;
	const runs = sources.value.filter(({ id }) => asked.length === 0 || asked.includes(id)).map(({ last_reading }) => last_reading);
	const run = runs.filter(Boolean).sort((a, b) => b.at - a.at)[0];
	if (!run) return html`<span class="last soft" data-field="last-import">${t("import.last")} ${t("import.never")}</span>`;
	return html`<details class="last popover" data-field="last-import" onToggle=${({ target }) => setOpen(target.open)}>
		<summary class="soft">${t("import.last")} <${Ago} ms=${run.at} /><${Counts} run=${run} /></summary>
		<div class="panel">${isOpen && html`<${Later} name="import_facts" run=${run} />`}</div></details>`;
}

function outcome({ receipts, code }) {
	if (code) return html`<${Words} text=${tcode(code)} />`;
	const total = { added_count: 0, updated_count: 0, error_count: 0 };
	for (const receipt of receipts) for (const name of Object.keys(total)) total[name] += receipt[name];
	return t("import.done", { counts: `${done(total)} · ${errors(total)}` });
}

/** Red is what the state in the head says; this only tells what came of a press. */
export function Result() {
	const result = importResult.value;
	const isYoung = result && second.value - result.at < RESULT_MS;
	const words = importing.value ? t("import.running") : isYoung && outcome(result);
	const kind = result?.code && !importing.value ? "warn" : "good";
	return html`<span role="status" class=${kind} data-field="import-result">${words}</span>`;
}

export const ImportButton = () => html`<button class="small" onClick=${importNow} aria-busy=${importing.value}
	title=${t("key.hint", { key: "r" })}><${Icon} name="refresh" />${t("import.now")}</button>`;
