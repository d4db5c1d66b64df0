// One line of sums for what is chosen.
import { minute } from "../clock.js";
import { change } from "../format.js";
import { locale, t, tn } from "../i18n.js";
import { knownUntil } from "../live.js";
import { midnight, monthStart, spentSoFar } from "../period.js";
import { before, shown, summary, unpriced } from "../store.js";
import { cacheWrites } from "../sums.js";
import { approximateUntil } from "./chart.js";
import { silent } from "./gaps.js";
import { BigCost, Money, Tokens, html, whole } from "./parts.js";

function Change({ total }) {
	const { window } = shown.value;
	if (!window.before || !before.value || total === null) return null;
	const value = ({ cost_usd }) => cost_usd ?? 0;
	const words = change(total, spentSoFar(before.value.series, window, knownUntil.value, value), locale.value);
	if (words === null) {
		const isLater = before.value.series.some((point) => value(point) > 0);
		return html`<span title=${t("change.none.why")}>${t(isLater ? "change.none.yet" : "change.none")}</span>`;
	}
	const isAbout = approximateUntil() !== null || summary.value.exact_since.cline > window.before.from;
	return html`<span title=${t(isAbout ? "change.about.why" : "change.why")}>${isAbout && "≈ "}${words} ${t("change.words")}</span>`;
}

/** The bases of the cost, and the unpriced rest. */
function Bases() {
	const { cost_basis: basis, unpriced_requests: without } = summary.value.totals;
	const all = Object.entries(basis).filter(([, usd]) => usd > 0);
	const parts = all.length === 1 && basis.recorded > 0 ? [] : all; // as everybody thinks
	if (without === 0 && parts.length === 0) return null;
	return html`<span class="basis" data-field="basis">${parts.map(([name, usd]) => html`<span key=${name} class=${name} title=${t(`basis.${name}.why`)}>${t(`basis.${name}`)} <b><${Money} usd=${usd} /></b></span>`)}
		${without > 0 && html`<span class="tag" title=${t("unpriced.why")}>${tn("gaps.unpriced", without)}</span>`}</span>`;
}

const Sum = ({ name, big, children }) => html`<div class="sum" role="group" data-card=${name} aria-label=${t(`sum.${name}`)}>
	<h2>${t(`sum.${name}`)}</h2><p class="big" data-field=${name}>${big}</p>${children}</div>`;

const Cost = ({ of }) => html`<${Sum} name="cost" big=${html`<${BigCost} sum=${of} />`}>
	<p class="note">${unpriced.value ? t("unpriced.why") : html`<${Change} total=${of.cost_usd} /><${Bases} />`}</p><//>`;

/** Cost of today and this month; null, not 0, when the numbers end before. */
export function spentNow(source) {
	const now = minute.value;
	const start = midnight(now);
	const since = (begin, cost) => (source?.to > begin ? cost() : null);
	return {
		today: since(start, () => source.totals.cost_usd && (source.series.find((point) => point.start === start)?.cost_usd ?? 0)),
		month: since(monthStart(now), () => source.totals.cost_usd ?? 0),
	};
}

export function Totals() {
	const { totals, groups } = summary.value;
	const note = silent(groups);
	const tokens = (name, n = totals[name]) => html`<${Sum} name=${name} big=${html`<${Tokens} n=${n} />`} />`;
	return html`<section class="panel-box sums" aria-label=${t("sum.title")}><${Cost} of=${totals} />
		${tokens("input_tokens")}${tokens("cache_read_tokens")}${tokens("cache_write_tokens", cacheWrites(totals))}${tokens("output_tokens")}
		<${Sum} name="requests" big=${totals.requests || !note ? whole(totals.requests) : "–"}>${note && html`<p class="note">${note}</p>`}<//>
		<${Sum} name="sessions" big=${whole(totals.sessions)} /></section>`;
}
