// Today, this month and the limits, whatever is filtered below: beside a usual day, and with what the month will come to.
import { second } from "../clock.js";
import { count, percent } from "../format.js";
import { language, locale, t, tn } from "../i18n.js";
import { midnight, monthStart } from "../period.js";
import { overview, spending, status } from "../store.js";
import { Limits, openTerms } from "./limits.js";
import { BigCost, amount, html, since, titleOf, when } from "./parts.js";
import { spentNow } from "./totals.js";

const TIMES = 10; // from there on per cent say nothing any more
const ALIKE_SHARE = 0.25;
const ALIKE_USD = 1;

const Card = ({ name, title, children }) => html`<section class="panel-box card" data-card=${name} aria-label=${title}><h2>${title}</h2>${children}</section>`;

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
	const apart = cost - usual.cost_usd;
	if (Math.abs(apart) <= Math.max(ALIKE_USD, ALIKE_SHARE * usual.cost_usd)) return [t("glance.alike", words), false];
	if (apart < 0) return [t("glance.less", { ...words, part: percent(-apart / usual.cost_usd, locale.value) }), false];
	const times = usual.cost_usd > 0 ? Math.floor(cost / usual.cost_usd) : Infinity;
	if (times >= TIMES) return [usual.cost_usd > 0 ? t("glance.times", { ...words, n: count(times, locale.value) }) : t("glance.any", words), true];
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

function Last({ last }) {
	if (!last) return null;
	return html`<p class="note" data-field="last-use">${t("glance.last", { ago: since(last.at, second.value), source: titleOf(last.source) })}</p>`;
}

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

function Month() {
	const { at, month } = overview.value;
	return html`<${Card} name="month" title=${monthName(monthStart(at))}><${Big} totals=${month.totals} />
		<p class="note"><span data-field="course">${course(month)}</span></p>${!status.value.budget?.monthly_usd && html`<button class="link" onClick=${openTerms}>${t("budget.set")}</button>`}<//>`;
}

export const Glance = () => overview.value && html`<div class="cards" role="group" aria-label=${t("glance.title")}><${Today} /><${Month} /><${Limits} spent=${spentNow(spending.value)} /></div>`;
