// The page as a whole: what is shown in which state.
import { effect, signal } from "../../vendor/signals-core.js";
import { panel as sessionPanel } from "../asked.js";
import { locale, t, tn } from "../i18n.js";
import { help } from "../keys.js";
import { stale } from "../live.js";
import { Dialog } from "../prices.js";
import { about, choosing, isFirst } from "../sources.js";
import { embedded, isCline, state } from "../state.js";
import { announcement, loadedAt, loading, problem, spending, status, summary, unpriced, untold } from "../store.js";
import { Chart } from "./chart.js";
import { Filters, Printed } from "./filters.js";
import { Offer } from "./found.js";
import { Gaps } from "./gaps.js";
import { Groups } from "./groups.js";
import { Header } from "./header.js";
import { Activity, Heat } from "./heat.js";
import { Blocked, Notices, Welcome } from "./notices.js";
import { Glance, budgetState, panel } from "./glance.js";
import { Later, Loading, amount, currency, html, when } from "./parts.js";
import { Sessions } from "./table.js";
import { Totals, spentNow } from "./totals.js";

const SPEAK_MS = 10_000;
const spoken = signal("");

/** For screen readers: one sentence in ten seconds. */
export function startSpeaking() {
	let last = 0;
	let timer = null;
	const speak = () => {
		const { commit_seq, totals } = summary.value;
		const told = [...untold].filter(([, its]) => its <= commit_seq); // only of what the total holds already
		if (told.length === 0) return;
		last = Date.now();
		for (const [id] of told) untold.delete(id);
		spoken.value = tn("speak.fresh", told.length, { total: amount(totals.cost_usd) });
	};
	// Not when the event comes, but when its numbers have replaced the old ones.
	effect(() => {
		if (!loadedAt.value || untold.size === 0) return;
		clearTimeout(timer);
		timer = setTimeout(speak, Math.max(0, last + SPEAK_MS - Date.now()));
	});
	effect(() => {
		spoken.value = announcement.value;
	});
}

/** A tab in the background still says what today cost. */
export function startTitle() {
	effect(() => {
		const { today } = spentNow(spending.value); // of everything: a title has no room to name a filter
		const budget = status.value?.budget?.daily_usd;
		const isOver = budget && budgetState(today, budget) === "over";
		const cost = unpriced.value || (today ?? null) === null ? "" : `${t("title.today", { cost: amount(today) })} · `;
		document.title = `${isOver ? "⚠ " : ""}${cost}${embedded && isCline.value ? t("title.cline") : t("title")}`;
	});
}

/** Never without its rate and its day. */
function Rate() {
	const { code, per_usd: rate, as_of: day } = currency.value ?? {};
	return code && html`<span data-field="rate">${t("currency.note", { code, rate: rate.toLocaleString(locale.value, { maximumSignificantDigits: 12 }), day: when(Date.parse(`${day}T12:00`), "date") })}</span>`;
}

/** Kimi Proxy is asked without a number: then nothing is said. */
function leaving({ numbers_go_to: hosts, kimi_proxy: kimi }) {
	if (hosts.length > 0) return t("footer.goes", { hosts: hosts.join(", ") });
	return !kimi && t("footer.stays");
}

const Footer = () => html`<footer class="soft"><span>${[t("footer.promise"), about.value && leaving(about.value)].filter(Boolean).join(" · ")}</span><${Rate} />
	${about.value && html`<span>AI Cost Observer ${about.value.version}</span>`}</footer>`;

function Content() {
	if (problem.value === "token_required" || (problem.value && !(summary.value && about.value))) return html`<${Blocked} />`;
	if (!summary.value || !about.value) return html`<${Loading} />`;
	if (embedded ? isFirst.value : isFirst.value || choosing.value) return html`<${Notices} />${embedded ? html`<${Welcome} />` : html`<${Later} name="start" />`}`;
	if (state.value.statement) return html`<${Later} name="statement" />`;
	return html`<${Notices} />${!embedded && html`<${Offer} /><${Glance} />`}<${Filters} /><${Printed} /><${Totals} /><div class="pair"><${Chart} /><${Groups} /></div><${Gaps} />${!embedded && html`<${Heat} /><${Activity} />`}<${Sessions} />`;
}

export function App() {
	return html`${!embedded && html`<a class="skip" href="#content">${t("skip")}</a>`}<${Header} />
		<main id="content" tabindex="-1" class=${stale.value && "stale"} aria-busy=${loading.value}><${Content} /></main>
		${!embedded && html`<${Footer} />`}${help.value && html`<${help.value} />`}${Dialog.value && html`<${Dialog.value} />`}${sessionPanel.value && html`<${sessionPanel.value} />`}${panel.value && html`<${panel.value} />`}<p class="spoken" role="status">${spoken.value}</p>`;
}
