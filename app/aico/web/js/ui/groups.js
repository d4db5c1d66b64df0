// Parts of the money, or the tokens: the list is the chart's legend, and a click filters.
import { useState } from "../../vendor/preact-hooks.js";
import { hovered } from "../asked.js";
import { change, share } from "../format.js";
import { locale, t, tn } from "../i18n.js";
import { knownUntil } from "../live.js";
import { spentSoFar } from "../period.js";
import { hasProjects } from "../sources.js";
import { choose, isChosen, show } from "../state.js";
import { before, group as chosen, groups, metric, shown, summary, valueOf } from "../store.js";
import { add, isUnpriced, tokensOf } from "../sums.js";
import { Cost, NameOf, Segmented, Swatch, Tokens, html, wordsOf } from "./parts.js";

/** A part in the period before, at the same point of it; of `name` undefined, everything. */
function earlier(name) {
	const { window, group } = shown.value;
	if (!window.before || !before.value) return null;
	const { series, parts } = before.value;
	const part = name === undefined ? null : parts.find((one) => !one.groups && one[group] === name);
	if (name !== undefined && !part) return before.value.parts.some((one) => one.groups) ? null : 0;
	const field = metric.value === "cost" ? "cost_usd" : "tokens";
	const values = new Map(series.map((point, i) => [point.start, part ? part[field][i] : (valueOf(point) ?? 0)]));
	return spentSoFar(series, window, knownUntil.value, ({ start }) => values.get(start));
}

function Change({ now, name }) {
	const then = earlier(name);
	if (then === null || now === null) return html`<td class="minor"></td>`;
	const words = change(now, then, locale.value);
	return html`<td class="minor soft" title=${t("change.why")}>${words ?? (now > 0 && then === 0 ? t("change.new") : null)}</td>`;
}

const Bar = ({ ratio, slot }) => html`<svg class=${`bar s${slot}`} viewBox="0 0 100 1" preserveAspectRatio="none" aria-hidden="true"><rect width=${100 * (ratio || 0)} height="1" /></svg>`;

function Numbers({ sum, all, name, isRest }) {
	const part = valueOf(sum);
	return html`<${Cost} tag="td" sum=${sum} /><td>${share(isUnpriced(sum) && metric.value === "cost" ? null : part, valueOf(all), locale.value)}</td>
		${isRest ? html`<td class="minor"></td>` : html`<${Change} now=${part} name=${name} />`}<${Tokens} tag="td" class="minor soft" n=${tokensOf(sum)} />`;
}

function Row({ name, slot, sum, most, all }) {
	const { group } = shown.value;
	const isOn = isChosen(group, name);
	const words = wordsOf(group, name); // boxes would be read as words of their own
	const press = ({ ctrlKey, metaKey }) => choose(group, name, ctrlKey || metaKey);
	const over = (isIn) => () => (hovered.value = isIn ? { name } : null);
	return html`<tr class=${isOn && "on"} onMouseEnter=${over(true)} onMouseLeave=${over(false)}>
		<th scope="row"><button aria-pressed=${isOn} aria-label=${words} disabled=${group === "project" && name === null} onClick=${press} title=${t("groups.more")}><${Swatch} slot=${slot} /><${NameOf} name=${name} /></button>
			<${Bar} slot=${slot} ratio=${(valueOf(sum) ?? 0) / most} /></th><${Numbers} sum=${sum} all=${all} name=${name} /></tr>`;
}

export function Groups() {
	const [isOpen, setOpen] = useState(false);
	const { named, others } = groups.value;
	const { group } = shown.value;
	const listed = isOpen || others.length === 1 ? [...named, ...others] : named;
	const all = summary.value.totals;
	const most = valueOf(named[0]?.sum ?? {}) || 1;
	const kinds = ["source", "model", ...(hasProjects.value ? ["project"] : [])].map((kind) => [kind, t(`col.${kind}`)]);
	const heads = [[`col.${group}`], ["metric.cost"], ["groups.share"], ["groups.change", "minor"], ["metric.tokens", "minor"]];
	const rest = listed.length < named.length + others.length && others;
	return html`<section class="panel-box groups" aria-label=${t(`groups.title.${group}`)}>
		<div class="head"><h2>${t(`groups.title.${group}`)}</h2>${isOpen && others.length > 1 && html`<button class="quiet" onClick=${() => setOpen(false)}>${t("groups.less")}</button>`}
			<${Segmented} label=${t("groups.kind")} chosen=${chosen.value} options=${kinds} choose=${(kind) => show({ group: kind })} /></div>
		${named.length === 0 && html`<p class="empty soft">${t("table.empty")}</p>`}
		<table hidden=${named.length === 0}><thead><tr>${heads.map(([key, kind]) => html`<th scope="col" class=${kind}>${t(key)}</th>`)}</tr></thead>
			<tbody>${listed.map((one) => html`<${Row} key=${one.name} ...${one} most=${most} all=${all} />`)}
				${rest && html`<tr><th scope="row"><button onClick=${() => setOpen(true)}><${Swatch} slot=${0} />${tn("groups.other", rest.length)}</button></th>
					<${Numbers} sum=${add(rest.map(({ sum }) => sum))} all=${all} isRest /></tr>`}</tbody>
			<tfoot><tr><th scope="row">${t("groups.all")}</th><${Numbers} sum=${all} all=${all} /></tr></tfoot></table></section>`;
}
