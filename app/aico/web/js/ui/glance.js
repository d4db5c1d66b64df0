// Today, this month and the nearest limits, with any filter below. Never in a frame.
import { signal } from "../../vendor/signals-core.js";
import { second } from "../clock.js";
import { count, percent, share } from "../format.js";
import { language, locale, t, tn } from "../i18n.js";
import { midnight, monthStart } from "../period.js";
import { overview, spending, status } from "../store.js";
import { budgets, limits, plans } from "../terms.js";
import { BigCost, amount, html, since, timeOf, titleOf, when } from "./parts.js";
import { spentNow } from "./totals.js";

const SHOWN = 3; // lines, budgets included
const WINDOWS = { 300: "five_hours", 1440: "day", 10080: "week" };

export const panel = signal(null); // the dialog, once somebody wants it

async function openTerms() {
	panel.value ??= (await import("./terms.js")).Terms;
	requestAnimationFrame(() => document.getElementById("terms")?.showModal());
}

export const budgetState = (spent, budget) => (spent > budget ? "over" : spent >= 0.8 * budget ? "near" : "ok");

/** With a tick where the time is, if `now` says how much of it is over. */
export const Bar = ({ part, now }) => html`<svg viewBox="0 0 100 2" preserveAspectRatio="none" aria-hidden="true"><path d="M0,1H100" /><path d=${`M0,1H${Math.min(100, 100 * part)}`} />${now && html`<path class="tick" d=${`M${100 * now},-1v4`} />`}</svg>`;

function Budget({ spent, budget, label, now }) {
	if (!budget) return null;
	const kind = budgetState(spent, budget);
	return html`<p class=${`budget ${kind}`} data-field="budget">${label} ${spent === 0 ? amount(0) : share(spent, budget, locale.value)} ${t("budget.of", { budget: amount(budget) })}${spent !== null && spent <= budget && `, ${t("budget.left", { left: amount(budget - spent) })}`}
		${kind !== "ok" && html`<b> ${t(`budget.${kind}`)}</b>`}<${Bar} part=${spent / budget} now=${now} /></p>`;
}

/** "Claude Code, 5 hours". */
export function windowName({ source, plan, window, window_minutes: minutes, origin }) {
	if (origin === "budget") return t("limit.budget", { name: plan });
	const named = WINDOWS[minutes] ?? (window === "week" ? "week" : null);
	return `${titleOf(source)}, ${named ? t(`window.${named}`) : tn("window.hours", Math.round(minutes / 60))}`;
}

export const kindOf = ({ used_share: used }) => (used >= 1 ? "over" : used >= 0.8 ? "near" : "ok");

export function used(limit) {
	const { used_share, used_usd, at_least } = limit;
	const least = at_least ? "≥ " : "";
	if (used_share !== null) return `${least}${share(used_share, 1, locale.value)}`;
	return used_usd === null ? t(limit.limit_usd ? "limit.unmeasured" : "limit.anew") : least + amount(used_usd);
}

export const ofLimit = ({ limit_usd: usd }) => t(usd ? "limit.stated" : "limit.unknown", { limit: amount(usd) });

export const reaches = ({ used_share: used, reached_at: at }) => used < 1 && at && t("limit.at", { at: timeOf(at) });

export const resets = ({ resets_at: at }) => at !== null && t("limit.resets", { at: timeOf(at) });

function Limit({ limit }) {
	const words = [resets(limit), reaches(limit), limit.origin !== "budget" && (limit.used_share === null ? ofLimit(limit) : t(`limit.${limit.origin}`))].filter(Boolean).join(" · ");
	return html`<p class=${`budget ${kindOf(limit)}`} data-field="limit" title=${words}>${windowName(limit)} <b>${used(limit)}</b> <span>${words}</span>
		${limit.used_share !== null && html`<${Bar} part=${limit.used_share} />`}</p>`;
}

/** Further budgets, and windows of plans of which something is known, the nearest to its end first. */
function nearest(own) {
	const above = budgets.value?.filter(({ period, amount_usd, source, model, project }) => amount_usd === own[period] && !(source || model || project)).map(({ name }) => name);
	return limits.value
		.filter(({ origin, plan, used_share, used_usd, limit_usd }) => (origin === "budget" ? !above?.includes(plan) : used_share !== null || used_usd > 0 || limit_usd))
		.sort((a, b) => (b.used_share ?? -1) - (a.used_share ?? -1));
}

/** "$200", "180,50 €". */
export const priceOf = ({ price, currency }) => new Intl.NumberFormat(locale.value, { style: "currency", currency, currencyDisplay: "narrowSymbol", trailingZeroDisplay: "stripIfInteger" }).format(price);

/** Of everything, with any filter: today's budget, then the nearest limits; the month's is in its own card. */
function Limits({ spent }) {
	const { daily_usd, monthly_usd } = status.value.budget ?? {};
	const count = daily_usd ? 1 : 0;
	const all = nearest({ day: daily_usd, month: monthly_usd });
	const shown = all.slice(0, SHOWN - count);
	return html`<section class="panel-box card budgets" data-card="limits" aria-label=${t("limits.title")}><h2>${t("limits.title")} <button class="link" data-field="terms" onClick=${openTerms}>${t("terms.open")}${all.length > shown.length && ` · ${t("limits.more", { n: all.length - shown.length })}`}</button></h2>
		${count + shown.length === 0 && html`<p class="note">${t("limits.none")}</p>`}
		<${Budget} spent=${spent} budget=${daily_usd} label=${t("period.today")} />
		${shown.map((limit) => html`<${Limit} key=${windowName(limit)} limit=${limit} />`)}
		${plans.value.map((plan) => html`<p class="note" data-field="plan">${titleOf(plan.source)}${t("colon")} ${t("plan.value", { value: amount(plan.value_usd), price: priceOf(plan) })}</p>`)}</section>`;
}

const TIMES = 10; // from there on per cent say nothing any more
const ALIKE_SHARE = 0.25;
const ALIKE_USD = 1;
const NOTHING_USD = 0.005;

const Card = ({ name, title, children }) => html`<section class="panel-box card" data-card=${name} aria-label=${title}><h2>${title} <span class="soft count">${t("glance.unfiltered")}</span></h2>${children}</section>`;

/** "Saturday", in the words of the page. */
const weekday = (at) => new Intl.DateTimeFormat(locale.value, { weekday: "long" }).format(at);
const monthName = (at) => {
	const name = new Intl.DateTimeFormat(locale.value, { month: "long" }).format(at);
	return name.charAt(0).toLocaleUpperCase(language.value) + name.slice(1);
};

const Big = ({ totals }) => html`<p class="big"><${BigCost} sum=${totals} /></p>`;

/** How today compares with a usual day of its name, up to this hour: [words, whether it is more]. */
function comparison({ at, today, last_use: last }) {
	const { usual, totals } = today;
	const cost = totals.cost_usd ?? 0;
	if (!(last?.at >= midnight(at))) return [t("glance.none"), false];
	if (usual.cost_usd === null) return [tn("glance.needed", usual.days_needed), false];
	const words = { weekday: weekday(at), usual: amount(usual.cost_usd) };
	if (usual.cost_usd < NOTHING_USD) return [t("glance.any", words), false];
	const apart = cost - usual.cost_usd;
	if (Math.abs(apart) <= Math.max(ALIKE_USD, ALIKE_SHARE * usual.cost_usd)) return [t("glance.alike", words), false];
	if (apart < 0) return [t("glance.less", { ...words, part: percent(-apart / usual.cost_usd, locale.value) }), false];
	const times = Math.floor(cost / usual.cost_usd);
	if (times >= TIMES) return [t("glance.times", { ...words, n: count(times, locale.value) }), true];
	return [t("glance.more", { ...words, part: percent(apart / usual.cost_usd, locale.value) }), true];
}

/** One path: an element for each hour would be a tenth of the page. */
function Hours({ hours }) {
	const most = Math.max(...hours);
	if (!(most > 0)) return null;
	const now = new Date().getHours();
	const bars = (isIn) => hours.map((usd, i) => (isIn(i) && usd > 0 ? `M${i * 4},20v${-Math.max(1, (20 * usd) / most)}h3V20z` : "")).join("");
	return html`<svg class="hours" viewBox=${`0 0 ${hours.length * 4} 20`} preserveAspectRatio="none" role="img" aria-label=${t("glance.hours")}>
		<path d=${bars((i) => i < now)} /><path class="now" d=${bars((i) => i >= now)} /></svg>`;
}

const Last = ({ last }) => last && html`<p class="note" data-field="last-use">${t("glance.last", { ago: since(last.at, second.value), source: titleOf(last.source) })}</p>`;

function Today() {
	const { today, last_use: last } = overview.value;
	const [words, isMore] = comparison(overview.value);
	return html`<${Card} name="today" title=${t("period.today")}><${Big} totals=${today.totals} />
		<p class="note"><span class=${isMore && "warn"} data-field="usual">${words}</span></p><${Hours} hours=${today.hours} /><${Last} last=${last} /><//>`;
}

function course({ last, projected }) {
	if (projected === null) return t("glance.early");
	const [low, high] = [projected.low_usd, projected.high_usd].map((usd) => amount(usd < 10 ? usd : Math.round(usd)).replace(/[.,]00(?=\D*$)/, ""));
	const words = { low, high, day: when(Date.parse(`${last}T00:00`), "day") };
	return t(low === high ? "glance.course.one" : "glance.course", words);
}

function Month({ spent }) {
	const { at, month } = overview.value;
	const [start, end] = [monthStart(at), monthStart(at, 1)];
	const budget = status.value.budget?.monthly_usd;
	return html`<${Card} name="month" title=${monthName(start)}><${Big} totals=${month.totals} />
		<p class="note"><span data-field="course">${course(month)}</span></p>${budget ? html`<${Budget} spent=${spent} budget=${budget} now=${(at - start) / (end - start)} />` : html`<button class="link" onClick=${openTerms}>${t("budget.set")}</button>`}<//>`;
}

export function Glance() {
	const { today, month } = spentNow(spending.value);
	return overview.value && html`<div class="cards" role="group" aria-label=${t("glance.title")}><${Today} /><${Month} spent=${month} /><${Limits} spent=${today} /></div>`;
}
