// Beside today and the month: budgets of everything, what is nearest to its limit, plans. Never in a frame.
import { signal } from "../../vendor/signals-core.js";
import { share } from "../format.js";
import { locale, t, tn } from "../i18n.js";
import { status } from "../store.js";
import { budgets, limits, plans } from "../terms.js";
import { amount, html, timeOf, titleOf } from "./parts.js";

const SHOWN = 3; // lines, budgets included
const WINDOWS = { 300: "five_hours", 1440: "day", 10080: "week" };

export const panel = signal(null); // the dialog, once somebody wants it

export async function openTerms() {
	panel.value ??= (await import("./terms.js")).Terms;
	requestAnimationFrame(() => document.getElementById("terms")?.showModal());
}

export const budgetState = (spent, budget) => (spent > budget ? "over" : spent >= 0.8 * budget ? "near" : "ok");

export const Bar = ({ part }) => html`<svg viewBox="0 0 100 2" preserveAspectRatio="none" aria-hidden="true"><path d="M0,1H100" /><path d=${`M0,1H${Math.min(100, 100 * part)}`} /></svg>`;

function Budget({ spent, budget, label }) {
	if (!budget) return null;
	const kind = budgetState(spent, budget);
	return html`<p class=${`budget ${kind}`} data-field="budget">${label} ${share(spent, budget, locale.value)} ${t("budget.of", { budget: amount(budget) })}
		${kind !== "ok" && html`<b> ${t(`budget.${kind}`)}</b>`}<${Bar} part=${spent / budget} /></p>`;
}

/** "Claude Code, 5 hours". */
export function windowName({ source, plan, window, window_minutes: minutes, origin }) {
	if (origin === "budget") return plan;
	const named = WINDOWS[minutes] ?? (window === "week" ? "week" : null);
	return `${titleOf(source)}, ${named ? t(`window.${named}`) : tn("window.hours", Math.round(minutes / 60))}`;
}

export const kindOf = ({ used_share: used }) => (used >= 1 ? "over" : used >= 0.8 ? "near" : "ok");

export function used(limit) {
	const { used_share, used_usd, at_least } = limit;
	const least = at_least ? "≥ " : "";
	if (used_share !== null) return `${least}${share(used_share, 1, locale.value)}`;
	return used_usd === null ? t("limit.anew") : least + amount(used_usd);
}

export const resets = ({ resets_at: at }) => at !== null && t("limit.resets", { at: timeOf(at) });

function Limit({ limit }) {
	const words = [resets(limit), limit.origin !== "budget" && t(limit.used_share === null ? "limit.unknown" : `limit.${limit.origin}`)].filter(Boolean).join(" · ");
	return html`<p class=${`budget ${kindOf(limit)}`} data-field="limit" title=${words}>${windowName(limit)} <b>${used(limit)}</b> <span>${words}</span>
		${limit.used_share !== null && html`<${Bar} part=${limit.used_share} />`}</p>`;
}

/** Further budgets, and windows of plans of which something is known, the nearest to its end first. */
function nearest(own) {
	const above = budgets.value?.filter(({ period, amount_usd, source, model, project }) => amount_usd === own[period] && !(source || model || project)).map(({ name }) => name);
	return limits.value
		.filter(({ origin, plan, used_share, used_usd }) => (origin === "budget" ? !above?.includes(plan) : used_share !== null || used_usd > 0))
		.sort((a, b) => (b.used_share ?? -1) - (a.used_share ?? -1));
}

export const priceOf = ({ price, currency }) => `${price} ${currency}`;

/** Of everything, whatever the filter: budgets, then what is nearest to its end. */
export function Limits({ spent: { today, month } }) {
	const { daily_usd, monthly_usd } = status.value.budget ?? {};
	const count = [daily_usd, monthly_usd].filter(Boolean).length;
	const all = nearest({ day: daily_usd, month: monthly_usd });
	const shown = all.slice(0, SHOWN - count);
	return html`<section class="panel-box card budgets" data-card="limits" aria-label=${t("limits.title")}><h2>${t("limits.title")} <button class="link" data-field="terms" onClick=${openTerms}>${t("terms.open")}${all.length > shown.length && ` (+${all.length - shown.length})`}</button></h2>
		${count + shown.length === 0 && html`<p class="note">${t("limits.none")}</p>`}
		<${Budget} spent=${today} budget=${daily_usd} label=${t("period.today")} /><${Budget} spent=${month} budget=${monthly_usd} label=${t("period.month")} />
		${shown.map((limit) => html`<${Limit} key=${windowName(limit)} limit=${limit} />`)}
		${plans.value.map((plan) => html`<p class="note" data-field="plan">${titleOf(plan.source)}${t("colon")} ${t("plan.value", { value: amount(plan.value_usd), price: priceOf(plan) })}</p>`)}</section>`;
}
