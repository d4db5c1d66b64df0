// Gaps of the sums, in one quiet line that opens.
import { useState } from "../../vendor/preact-hooks.js";
import { t, tn } from "../i18n.js";
import { sources } from "../sources.js";
import { shown, summary } from "../store.js";
import { LACKS, addBy, addUsd, tokensOf } from "../sums.js";
import { approximateUntil } from "./chart.js";
import { Later, amount, html, titleOf, when } from "./parts.js";

const isShown = (id) => shown.value.state.source.length === 0 || shown.value.state.source.includes(id);

export const say = ([name, n, usd]) => tn(`gaps.${name}`, n, { cost: amount(usd) });

export function unwritten(ids) {
	const named = ids.filter((id) => sources.value.some((one) => one.id === id && one.gaps.length > 0));
	return named.length > 0 && t("gaps.unwritten", { sources: named.map(titleOf).join(", ") });
}

/** Names the tools that state totals and no requests. */
export function silent(groups) {
	const sources = addBy(groups, "source").filter(([, sum]) => !sum.requests && tokensOf(sum) > 0).map(([id]) => titleOf(id)).join(", ");
	return sources && t("sum.requests.none", { sources });
}

/** By source: what is counted of it, and what nobody can count. */
function missing() {
	const counted = new Map(addBy(summary.value.groups, "source"));
	const known = sources.value.filter((one) => isShown(one.id) && (one.sessions || one.forgotten_sessions)).map(({ id }) => id);
	return [...new Set([...counted.keys(), ...known])].map((id) => {
		const sum = counted.get(id) ?? {};
		const source = sources.value.find((one) => one.id === id);
		const counts = [...LACKS.map((name) => [name, sum[`${name}_requests`]]), ["future", source?.future_sessions, source?.future_cost_usd], ["forgotten", source?.forgotten_sessions]].filter(([, n]) => n > 0);
		return { id, counts, gaps: source?.gaps ?? [] };
	}).filter(({ counts, gaps }) => counts.length + gaps.length > 0);
}

export function Gaps() {
	const [isOpen, setOpen] = useState(false);
	const list = missing();
	const until = approximateUntil();
	const totals = [...LACKS, "future", "forgotten"].map((name) => {
		const found = list.flatMap(({ counts }) => counts.filter(([one]) => one === name));
		return [name, ...[1, 2].map((at) => addUsd(found.map((one) => one[at])))];
	}).filter(([, n]) => n > 0);
	const heads = [...totals.map(say), unwritten(list.map(({ id }) => id))].filter(Boolean);
	if (heads.length === 0 && until !== null) heads.push(t("gaps.before", { at: when(until, "day") })); // else the chart says it
	if (heads.length === 0) return html`<p class="gaps soft" data-field="gaps">${t("gaps.nothing")}</p>`;
	return html`<details class="gaps" data-field="gaps" onToggle=${({ target }) => setOpen(target.open)}><summary><b>${t("gaps.title")}</b> <span class="soft">${heads.join(" · ")}</span></summary>
		${isOpen && html`<${Later} name="lacks" list=${list} until=${until} />`}</details>`;
}
