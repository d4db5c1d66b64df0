// The page as a whole: what is shown in which state.
import { effect, signal } from "../../vendor/signals-core.js";
import { t, tn } from "../i18n.js";
import { stale } from "../live.js";
import { embedded } from "../state.js";
import { announcement, loadedAt, loading, problem, read, spending, status, summary, unpriced, untold } from "../store.js";
import { Cards, budgetState, spentNow } from "./cards.js";
import { Chart } from "./chart.js";
import { Filters, Printed } from "./filters.js";
import { Header } from "./header.js";
import { Help } from "./help.js";
import { Models } from "./models.js";
import { Blocked, Notices, Welcome } from "./notices.js";
import { amount, html } from "./parts.js";
import { Tasks } from "./table.js";

const SPEAK_MS = 10_000;
const spoken = signal("");

/** What a screen reader hears: one sentence in ten seconds. */
export function startSpeaking() {
	let last = 0;
	let timer = null;
	const speak = () => {
		const { revision, totals } = summary.value;
		const told = [...untold].filter(([, its]) => its <= revision); // only of what the total holds already
		if (told.length === 0) return;
		last = Date.now();
		for (const [id] of told) untold.delete(id);
		spoken.value = tn("speak.fresh", told.length, { total: amount(totals.total_cost) });
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
		document.title = `${isOver ? "⚠ " : ""}${cost}${t("title")}`;
	});
}

const CHOICES = { default: "ledger.default", flag: "ledger.flag" }; // anything else is a name

function Footer() {
	const { ledger, version } = status.value ?? {};
	return html`<footer class="soft"><span>${t("footer.promise")}</span>
		${ledger && html`<code title=${t("ledger.chosen", { by: t(CHOICES[ledger.chosen_by] ?? ledger.chosen_by) })}>${ledger.path}</code><span>AI Cost Observer ${version}</span>`}</footer>`;
}

function Content() {
	if (problem.value === "token_required" || (problem.value && !summary.value)) return html`<${Blocked} />`;
	if (!summary.value) return html`<p class="empty soft" role="status">${t("loading")}</p>`;
	if (status.value.task_count === 0) return html`<${Notices} />${read.value.length > 0 && html`<${Welcome} />`}`;
	return html`<${Notices} /><${Filters} /><${Printed} /><${Cards} /><div class="pair"><${Chart} /><${Models} /></div><${Tasks} />`;
}

export function App() {
	return html`${!embedded && html`<a class="skip" href="#content">${t("skip")}</a>`}<${Header} />
		<main id="content" tabindex="-1" class=${stale.value && "stale"} aria-busy=${loading.value}><${Content} /></main>
		${!embedded && html`<${Footer} />`}<${Help} /><p class="spoken" role="status">${spoken.value}</p>`;
}
