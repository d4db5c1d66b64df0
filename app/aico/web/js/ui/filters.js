// One filter for the whole page; what is chosen shows as a chip that takes it away.
import { useRef, useState } from "../../vendor/preact-hooks.js";
import { exportUrl } from "../api.js";
import { minute } from "../clock.js";
import { range } from "../format.js";
import { language, locale, t } from "../i18n.js";
import { PERIODS, addDays, midnight, monthStart, zone } from "../period.js";
import { slotOf } from "../slots.js";
import { choose, chooseModels, choosePeriod, chooseRange, embedded, show, state } from "../state.js";
import { metric, period, shown, summary, unpriced, usageFilter } from "../store.js";
import { Icon, Later, NameOf, Segmented, Swatch, html, titleOf, when } from "./parts.js";

const TYPING_MS = 200;
const inFrame = embedded ? ".embed" : "";

export const dayText = (ms) => new Date(ms - new Date(ms).getTimezoneOffset() * 60_000).toISOString().slice(0, 10);
const dayOf = (input) => new Date(`${input.value}T00:00`).getTime();

/** Two days, both included, in any order. */
function Custom() {
	const { from, to } = period.value;
	const apply = (event) => {
		event.preventDefault();
		const [first, last] = [...event.target].slice(0, 2).map(dayOf).sort((a, b) => a - b);
		event.target.parentElement.open = false;
		chooseRange(first, addDays(last, 1));
	};
	const today = midnight(Date.now());
	// A default: what is chosen stays while the clock goes on.
	const day = (ms) => html`<input type="date" required min="2020-01-01" max=${dayText(monthStart(today, 1) - 1)} defaultValue=${dayText(ms)} />`;
	return html`<details class="popover custom" onToggle=${({ target }) => target.open || target.lastChild.reset()}><summary class="soft">${t("period.custom")}</summary>
		<form class="panel" onSubmit=${apply}>
			<label>${t("period.from")} ${day(from ?? addDays(today, -29))}</label>
			<label>${t("period.to")} ${day(to ? to - 1 : today)}</label>
			<button class="primary">${t("period.apply")}</button>
		</form></details>`;
}

/** Choices beyond the periods: {name, words, remove}. */
export function chosen() {
	const { period, from, to, source, unknown_model, q } = state.value;
	// A frame's tool from the start is no choice.
	const tools = embedded && String(source) === "cline" ? [] : source;
	return [
		period === "custom" && { name: "period", words: range(from, to, locale.value), remove: () => choosePeriod("7d") },
		...tools.map((id) => ({ name: "source", id, words: titleOf(id), remove: () => choose("source", id, true) })),
		...["model", "project"].flatMap((name) => state.value[name].map((id) => ({ name, id, words: id, remove: () => choose(name, id, true) }))),
		unknown_model && { name: "model", id: null, words: t("model.unknown"), remove: () => chooseModels([]) },
		q && { name: "q", words: t("filter.text", { q }), remove: () => show({ q: "" }) },
	].filter(Boolean);
}

function Chip({ name, id, words, remove }) {
	// The focus would be lost with the button.
	const press = ({ currentTarget }) => {
		const all = [...document.querySelectorAll(".chip button")];
		const place = all.indexOf(currentTarget);
		(all[place + 1] ?? all[place - 1] ?? document.getElementById("filter")).focus();
		remove();
	};
	return html`<span class="chip" data-chip=${name}>${id === undefined ? html`<span title=${words}>${words}</span>` : html`${name === "source" && html`<${Swatch} slot=${slotOf(id)} />`}<${NameOf} name=${id} group=${name} />`}
		<button onClick=${press} aria-label=${t("filter.remove", { name: words })}><${Icon} name="close" /></button></span>`;
}

export function Printed() {
	const { window } = shown.value;
	const filters = chosen().filter(({ name }) => name !== "period").map(({ words }) => words);
	const days = range(window.from ?? summary.value.from, window.to ?? summary.value.to, locale.value);
	const parts = [`${days} (${zone()})`, ...filters, t("print.at", { at: when(minute.value, "hour") })];
	return html`<p class="print-only" data-field="printed">${parts.join(" · ")}</p>`;
}

/** Always there: a chip that comes or goes moves nothing. */
const Chips = () => html`<div class="chips">${chosen().map((one) => html`<${Chip} key=${one.name + one.words} ...${one} />`)}</div>`;

/** Several sources and models, of those that the period has. */
function Choice() {
	const [isOpen, setOpen] = useState(false);
	return html`<details class="popover choice" onToggle=${({ target }) => setOpen(target.open)}><summary class="soft">${t("filter.add")}</summary>
		<div class="panel">${isOpen && html`<${Later} name="choice" />`}</div></details>`;
}

function Search() {
	const timer = useRef(null);
	const typed = ({ target: { value: q } }) => {
		clearTimeout(timer.current);
		timer.current = setTimeout(() => show({ q }, { replace: true }), TYPING_MS);
	};
	return html`<label class="search"><${Icon} name="search" /><input type="search" id="filter" value=${state.value.q} onInput=${typed}
		spellcheck=${false} autocomplete="off" maxlength="200" placeholder=${t(`filter.placeholder${inFrame}`)} aria-label=${t(`filter.label${inFrame}`)} /></label>`;
}

function Export() {
	const formats = [["csv", "CSV"], ["json", "JSON"], ["ndjson", "NDJSON"]];
	// Excel in French wants semicolons and decimal commas.
	if (language.value === "fr") formats.splice(1, 0, ["csv", "CSV (Excel)", "excel-fr"]);
	return html`<details class="popover export"><summary class="soft" title=${t("key.hint", { key: "e" })}><${Icon} name="down" />${t("export")}</summary>
		<div class="panel">${formats.map(([format, words, dialect]) => html`
			<a class=${dialect ?? format} href=${exportUrl({ format, dialect, tz: zone(), ...usageFilter.value })} download>${words}</a>`)}
			${!embedded && html`<button onClick=${() => show({ statement: dayText(minute.value).slice(0, 7) })}>${t("statement.open")}</button>`}</div></details>`;
}

export function Filters() {
	const periods = PERIODS.map((name, index) => [name, t(`period.${name}`), index + 1]);
	const metrics = [["cost", t("metric.cost"), "", unpriced.value], ["tokens", t("metric.tokens")]];
	return html`<nav class="filters" aria-label=${t("filter.nav")}>
		<${Segmented} label=${t("period.label")} options=${periods} chosen=${state.value.period} choose=${choosePeriod} />
		<${Custom} /><${Choice} /><${Chips} /><${Search} />
		<${Segmented} label=${t("metric.label")} options=${metrics} chosen=${metric.value} choose=${(value) => show({ metric: value })} />
		<${Export} /></nav>`;
}
