// What the sums lack, in one quiet line that opens.
import { t, tn, told } from "../i18n.js";
import { openPrices } from "../prices.js";
import { slotOf } from "../slots.js";
import { sources } from "../sources.js";
import { embedded } from "../state.js";
import { shown, summary } from "../store.js";
import { LACKS, addBy, addUsd, tokensOf } from "../sums.js";
import { approximateUntil } from "./chart.js";
import { Swatch, amount, html, short, titleOf, when } from "./parts.js";


const isShown = (id) => shown.value.state.source.length === 0 || shown.value.state.source.includes(id);

const say = ([name, n, usd]) => tn(`gaps.${name}`, n, { cost: amount(usd) });

function known({ known_requests: requests, known_tokens: tokens }) {
	const sum = tokens && tokensOf({ input_tokens: null, output_tokens: null, ...tokens });
	const parts = [requests !== null && tn("gaps.requests", requests), sum > 0 && t("gaps.tokens", { n: short(sum) })].filter(Boolean);
	return parts.length ? ` (${parts.join(", ")})` : "";
}

/** By source: what is counted of it, and what nobody can count. */
function missing() {
	const counted = new Map(addBy(summary.value.groups, "source"));
	const known = sources.value.filter(({ id, sessions }) => isShown(id) && sessions > 0).map(({ id }) => id);
	return [...new Set([...counted.keys(), ...known])].map((id) => {
		const sum = counted.get(id) ?? {};
		const source = sources.value.find((one) => one.id === id);
		const counts = [...LACKS.map((name) => [name, sum[`${name}_requests`]]), ["future", source?.future_sessions, source?.future_cost_usd]].filter(([, n]) => n > 0);
		return { id, counts, gaps: source?.gaps ?? [] };
	}).filter(({ counts, gaps }) => counts.length + gaps.length > 0);
}

export function Gaps() {
	const list = missing();
	const until = approximateUntil();
	const totals = [...LACKS, "future"].map((name) => {
		const found = list.flatMap(({ counts }) => counts.filter(([one]) => one === name));
		return [name, ...[1, 2].map((at) => addUsd(found.map((one) => one[at])))];
	}).filter(([, n]) => n > 0);
	const unwritten = list.filter(({ gaps }) => gaps.length > 0);
	const heads = [...totals.map(say), unwritten.length > 0 && t("gaps.unwritten", { sources: unwritten.map(({ id }) => titleOf(id)).join(", ") })].filter(Boolean);
	if (heads.length === 0 && until === null) return html`<p class="gaps soft" data-field="gaps">${t("gaps.nothing")}</p>`;
	return html`<details class="gaps" data-field="gaps"><summary><b>${t("gaps.title")}</b> <span class="soft">${heads.join(" · ")}</span></summary>
		<div class="panel-box"><dl>${list.map(({ id, counts, gaps }) => html`<div key=${id} data-tool=${id}>
			<dt><${Swatch} slot=${slotOf(id)} />${titleOf(id)}</dt>
			<dd>${counts.map((one) => html`<p>${say(one)}: <span class="soft">${t(`gaps.${one[0]}.why`)}</span>${one[0] === "unpriced" && !embedded && html` <button class="link" onClick=${() => openPrices()}>${t("price.open")}</button>`}</p>`)}
				${gaps.map((gap) => html`<p>${told(`gap.${id}.${gap.kind}`, gap.title)}${known(gap)}</p>`)}</dd></div>`)}</dl>
			${until !== null && html`<p>${t("gaps.approximate", { at: when(until, "date") })}</p>`}<p class="soft">${t("gaps.why")}</p></div></details>`;
}
