// The chart as a table: every bar with its parts, the newest first.
import { UNKNOWN } from "../format.js";
import { t } from "../i18n.js";
import { groups } from "../store.js";
import { columns, ghostSeries, known, perBarWords, titleOf, words } from "./chart.js";
import { NameOf, html } from "./parts.js";

/** A number that may be more says so; a 0 then is unknown. */
const least = (n, isLess) => (isLess ? (n > 0 ? `≥ ${words(n)}` : UNKNOWN) : words(n));

export function Part() {
	const list = columns(true).filter((column) => known(column) > 0);
	const { named, others } = groups.value;
	const parts = named.length + others.length > 1 ? named : [];
	const hasGhost = ghostSeries() !== null;
	const heads = [t("import.at"), perBarWords(), hasGhost && t("chart.before"), t("chart.cumulative")].filter(Boolean);
	let [total, isLess] = [0, false];
	const lines = list.map((column) => ({ ...column, running: (total += column.total), lacks: (isLess ||= column.least) })).reverse();
	return html`<div class="astable" tabindex="0" role="region" aria-label=${t("chart.table")}><table>
		<thead><tr>${heads.map((head) => html`<th scope="col">${head}</th>`)}
			${parts.map(({ name }) => html`<th scope="col"><${NameOf} name=${name} /></th>`)}${others.length > 0 && html`<th scope="col">${t("groups.rest")}</th>`}</tr></thead>
		<tbody>${lines.map((column) => html`<tr key=${column.start}><th scope="row">${titleOf(column)}</th><td>${least(column.total, column.least)}</td>
			${hasGhost && html`<td class="soft">${column.then === null ? UNKNOWN : words(column.then)}</td>`}<td>${least(column.running, column.lacks)}</td>
			${parts.map(({ sum }, place) => html`<td class="soft">${least(column.layers[place], column.least && sum.at_least)}</td>`)}${others.length > 0 && html`<td class="soft">${words(column.layers.at(-1))}</td>`}</tr>`)}</tbody></table></div>`;
}
