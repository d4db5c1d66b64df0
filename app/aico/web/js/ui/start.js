// The first screen: what was found, what would be read of it, what never is, and switches.
import { useRef } from "../../vendor/preact-hooks.js";
import { t, tn } from "../i18n.js";
import { choosing, counted, isCounting, offered, read, readAllFound, sources } from "../sources.js";
import { isHere, lying, originTitle } from "./found.js";
import { ImportButton } from "./imports.js";
import { Copyable, html } from "./parts.js";
import { Common, Elsewhere, Privacy, Refused, Standing, Switch } from "./switches.js";

const Origin = ({ source, origin }) => html`<li class=${origin.found ? "" : "absent"}>
	<${Switch} source=${source} origin=${origin} words=${originTitle(source, origin)} /><span class="facts">${lying(origin)}</span>
	<${Privacy} source=${source} origin=${origin} /><${Standing} source=${source} origin=${origin} /><${Elsewhere} origin=${origin} /></li>`;

const Card = ({ source }) => html`<article class="tool" data-card=${source.id}><h3>${source.title}</h3>
	<ul>${source.origins.map((origin) => html`<${Origin} key=${origin.id} source=${source} origin=${origin} />`)}</ul><${Refused} source=${source} /></article>`;

/** Places looked at; a place that is not there is no fault. */
const Places = ({ list, isOpen }) => html`<details class="places" open=${isOpen}><summary>${tn("start.places", list.length)}</summary>
	<dl>${list.map(({ title, origins }) => html`<div><dt>${title}</dt><dd>${origins.flatMap(({ paths }) => paths).map((path) => html`<code>${path}</code>`)}</dd></div>`)}</dl></details>`;

function Buttons({ root }) {
	const isOffered = offered.value.length > 0;
	const words = choosing.value ? (counted.value > 0 ? "done" : isOffered && "back") : isOffered && "choose";
	const turn = () => {
		choosing.value = !choosing.value;
		if (choosing.value) root.current.querySelector("li:not(.absent) input:enabled:not(:checked)")?.focus();
	};
	return html`<p class="buttons">${isOffered && html`<button class="primary" onClick=${readAllFound}>${t("start.all")}</button>`}
		${words && html`<button class="small" onClick=${turn}>${t(`start.${words}`)}</button>`}</p>`;
}

function heading(found) {
	if (counted.value > 0 || (found.length > 0 && read.value.length === 0 && offered.value.length === 0)) return ["start.sources", "start.sources.why"];
	if (offered.value.length > 0) return ["start.found", choosing.value ? "start.choose.why" : "start.found.why"];
	if (found.some((source) => source.found)) return ["start.empty", "start.empty.why"];
	if (isCounting.value) return ["start.counting", "start.counting.why"];
	return found.length > 0 ? ["start.found", "start.found.why"] : ["start.none", "start.none.why"];
}

export function Part() {
	const root = useRef(null);
	const found = sources.value.filter(isHere);
	const counting = sources.value.filter((source) => !isHere(source) && source.origins.some((origin) => origin.counting));
	const absent = sources.value.filter((source) => !isHere(source) && !counting.includes(source));
	const isRead = found.some(({ origins }) => origins.some(({ found: isThere, enabled }) => isThere && enabled));
	const [title, reason] = heading(found);
	return html`<section class="welcome start" ref=${root} data-state=${title.slice(6)}>
		<h2>${t(title)}</h2><p>${t(reason)}</p>
		<${Buttons} root=${root} /><${Common} />
		${found.length > 0 && html`<div class="tools-found">${found.map((source) => html`<${Card} key=${source.id} source=${source} />`)}</div>`}
		${counting.length > 0 && html`<p class="soft" data-field="counting">${t("start.still", { sources: counting.map(({ title }) => title).join(", ") })}</p>`}
		${absent.length > 0 && html`<${Places} list=${absent} isOpen=${found.length === 0} />`}
		<h3>${t("start.todo")}</h3>
		<ul class="todo">${isRead && html`<li><${ImportButton} /><span>${t("start.import")}</span></li>`}
			${["doctor", "demo"].map((word) => html`<li><${Copyable} text=${`aico ${word}`} /><span>${t(`start.${word}`)}</span></li>`)}</ul></section>`;
}
