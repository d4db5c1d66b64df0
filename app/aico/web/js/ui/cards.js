// Four totals and the pace, each against the period before at the same point of time.
import { minute } from "../clock.js";
import { change, share } from "../format.js";
import { locale, t, tn } from "../i18n.js";
import { knownUntil } from "../live.js";
import { DAY, midnight, monthStart, spentSoFar } from "../period.js";
import { isNarrowed } from "../state.js";
import { before, month, shown, spending, status, summary, unpriced } from "../store.js";
import { Money, Tokens, amount, html, whole } from "./parts.js";

const SPARKS = 28;

function Spark({ value }) {
	const past = summary.value.series.filter((point) => point.start <= knownUntil.value);
	const size = Math.ceil(past.length / SPARKS);
	const sums = [];
	past.forEach((point, i) => {
		const slot = Math.floor(i / size);
		sums[slot] = (sums[slot] ?? 0) + value(point);
	});
	const top = Math.max(...sums);
	if (sums.length < 3 || !(top > 0)) return null;
	const line = sums.map((sum, i) => `${Math.round((i / (sums.length - 1)) * 1000) / 10},${19 - Math.round((sum / top) * 180) / 10}`).join("L");
	return html`<svg class="spark" viewBox="0 0 100 20" preserveAspectRatio="none" aria-hidden="true"><path d=${`M0,20L${line}L100,20Z`} /><path d=${`M${line}`} /></svg>`;
}

function Change({ total, value }) {
	const { window } = shown.value;
	if (!window.before || !before.value || total === undefined) return null;
	const words = change(total, spentSoFar(before.value.series, window, knownUntil.value, value), locale.value);
	if (words === null) {
		const isLater = before.value.series.some((point) => value(point) > 0);
		return html`<span title=${t("change.none.why")}>${t(isLater ? "change.none.yet" : "change.none")}</span>`;
	}
	// Before we watched, costs are dated by each task's last activity.
	const isAbout = summary.value.exact_since > window.before.from;
	return html`<span title=${t(isAbout ? "change.about.why" : "change.why")}>${isAbout && "≈ "}${words} ${t("change.words")}</span>`;
}

/** A mark stands beside the name, where it pushes nothing. */
const Card = ({ name, big, mark, children }) => html`<div class="card" role="group" data-card=${name} aria-label=${t(`card.${name}`)}>
	<div class="over"><h2>${t(`card.${name}`)}</h2>${mark}</div><p class="big" data-field=${name}>${big}</p>${children}</div>`;

function Cost() {
	const { total_cost: cost, unpriced_task_count: without } = summary.value.totals;
	if (unpriced.value) return html`<${Card} name="cost" big=${t("unpriced")}><p class="note">${t("unpriced.why")}</p><//>`;
	const value = (point) => point.total_cost;
	const mark = without > 0 && html`<span class="tag" title=${t("unpriced.why")}>${tn("unpriced.count", without)}</span>`;
	return html`<${Card} name="cost" big=${html`<${Money} usd=${cost} />`} mark=${mark}>
		<p class="note"><${Change} total=${cost} value=${value} /></p>
		<${Spark} value=${value} /><//>`;
}

function TokenCard({ name }) {
	const total = summary.value.totals[name];
	const value = (point) => point[name];
	return html`<${Card} name=${name} big=${html`<${Tokens} n=${total} />`}>
		<p class="note"><${Change} total=${total} value=${value} /></p><${Spark} value=${value} /><//>`;
}

function Tasks() {
	const { task_count: tasks, total_cost: cost, tokens_in, tokens_out } = summary.value.totals;
	const average = unpriced.value
		? html`<${Tokens} n=${Math.round((tokens_in + tokens_out) / tasks)} /> ${t("card.tokens")}`
		: html`<${Money} usd=${cost / tasks} />`;
	return html`<${Card} name="tasks" big=${whole(tasks)}>${tasks > 0 && html`<p class="note"><span>${t("card.average")} ${average}</span></p>`}<//>`;
}

/** Cost of today and this month; null, not 0, when the numbers end before. */
export function spentNow(source) {
	const now = minute.value;
	const start = midnight(now);
	const since = (begin, cost) => (source?.to > begin ? cost() : null);
	return {
		today: since(start, () => source.totals.total_cost && (source.series.find((point) => point.start === start)?.total_cost ?? 0)),
		month: since(monthStart(now), () => source.totals.total_cost),
	};
}

function pace() {
	const { totals, from } = summary.value;
	const { window } = shown.value;
	const now = knownUntil.value;
	const days = (Math.min(now, window.to ?? now) - (window.from ?? from)) / DAY;
	const inMonth = month.value.totals.total_cost;
	// A morning would be stretched over a month.
	const perDay = days >= 1 ? totals.total_cost / days : inMonth / Math.max(1, (now - monthStart(now)) / DAY);
	const isPast = window.to !== null && window.to < now;
	return { perDay, projected: isPast ? NaN : inMonth + (perDay * (monthStart(now, 1) - now)) / DAY };
}

export const budgetState = (spent, budget) => (spent > budget ? "over" : spent >= 0.8 * budget ? "near" : "ok");

function Budget({ spent, budget, label }) {
	if (!budget) return null;
	const kind = budgetState(spent, budget);
	return html`<p class=${`budget ${kind}`} data-field="budget">${label}${isNarrowed(shown.value.state) && ` · ${t("budget.all")}`} ${share(spent, budget, locale.value)} ${t("budget.of", { budget: amount(budget) })}
		${kind !== "ok" && html`<b> ${t(`budget.${kind}`)}</b>`}
		<svg viewBox="0 0 100 2" preserveAspectRatio="none" aria-hidden="true"><path d="M0,1H100" /><path d=${`M0,1H${Math.min(100, (100 * spent) / budget)}`} /></svg></p>`;
}

function Pace() {
	const { perDay, projected } = pace();
	const spent = spentNow(spending.value);
	const { daily_usd, monthly_usd } = status.value.budget ?? {};
	return html`<${Card} name="pace" big=${html`<${Money} usd=${perDay} /><small>${t("pace.day")}</small>`}>
		${projected >= 0 && html`<p class="note" title=${t("pace.why")}>${t("pace.month", { cost: amount(projected) })}</p>`}
		<${Budget} spent=${spent.today} budget=${daily_usd} label=${t("period.today")} />
		<${Budget} spent=${spent.month} budget=${monthly_usd} label=${t("period.month")} /><//>`;
}

export const Cards = () => html`<div class="cards">
	<${Cost} /><${TokenCard} name="tokens_in" /><${TokenCard} name="tokens_out" /><${Tasks} />${!unpriced.value && html`<${Pace} />`}</div>`;
