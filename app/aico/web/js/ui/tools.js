// The list of every source: how it is, when it was read, and its switches.
import { signal } from "../../vendor/signals-core.js";
import { deleteProjects, putProjects } from "../api.js";
import { share } from "../format.js";
import { locale, t, tn, why } from "../i18n.js";
import { openPrices } from "../prices.js";
import { about, choosing, progress, readSources, sources } from "../sources.js";
import { isHere, lying, originTitle } from "./found.js";
import { ImportButton, LastImport } from "./imports.js";
import { Ago, Complaint, html, titleOf } from "./parts.js";
import { Common, Fixed, Refused, Standing, Switch, Toggle } from "./switches.js";

const ORDER = ["failed", "degraded", "starting", "watching", "waiting"];

/** An absent origin is no matter if another is there, read or not: today's Cline writes no ledger. */
function worst({ origins }) {
	const isThere = origins.some(({ found }) => found);
	return origins.filter(({ enabled, state }) => enabled && !(isThere && state === "waiting")).sort((a, b) => ORDER.indexOf(a.state) - ORDER.indexOf(b.state))[0];
}

function State({ source }) {
	const origin = worst(source);
	const going = progress.value.get(source.id);
	if (!origin) return html`<span class="soft">${t("state.off")}</span>`;
	if (going) return html`<span>${t("live.reading", { share: share(going.done / (going.total || 1), 1, locale.value) })}</span>`;
	if (origin.state === "watching") return source.last_read_at && html`<span class="soft">${t("state.read")} <${Ago} ms=${source.last_read_at} /></span>`;
	return html`<span class=${ORDER.indexOf(origin.state) < 2 ? "bad" : "soft"}>${t(`state.${origin.state}`)}${origin.reason && ` ${why(origin.reason)}`}</span>`;
}

const Origin = ({ source, origin }) => html`<li><${Switch} source=${source} origin=${origin} words=${originTitle(source, origin)} />
	<span class="soft">${lying(origin)}</span><${Standing} source=${source} origin=${origin} /></li>`;

const Source = ({ source }) => html`<li data-source=${source.id}><div class="line"><b>${source.title}</b><${State} source=${source} /></div>
	${source.sessions > 0 && html`<div class="line soft">${source.last_reading && html`<${LastImport} source=${source.id} />`}<span>${tn("source.sessions", source.sessions)}${source.future_sessions > 0 && ` ${tn("source.future", source.future_sessions)}`}</span></div>`}
	<ul>${source.origins.map((origin) => html`<${Origin} source=${source} origin=${origin} />`)}</ul><${Refused} source=${source} /></li>`;

const attempt = signal(null); // the code of what was refused

async function change(ask) {
	try {
		await ask();
		attempt.value = null;
	} catch (error) {
		attempt.value = error.code ?? "internal_error";
		if (!error.code) throw error;
	}
	readSources();
}

/** The last names of working folders: kept from now on, of what is counted, too, or forgotten. */
function Projects() {
	const { enabled, fixed_by, named, sources: told } = about.value.projects;
	return html`<div data-source="projects"><${Toggle} of=${about.value.projects} name="projects" words=${t("projects.switch")} turn=${(isOn) => change(() => putProjects({ enabled: isOn }))} />
		<p class="soft">${t("projects.why", { sources: told.map(titleOf).join(", ") })}</p>${fixed_by && html`<${Fixed} by=${fixed_by} />`}
		<${Complaint} code=${attempt.value} />
		<p class="buttons">${enabled && html`<button class="small" onClick=${() => change(() => putProjects({ enabled: true, backwards: true }))}>${t("projects.backwards")}</button>`}
			${named > 0 && html`<button class="small" onClick=${() => change(deleteProjects)}>${t("projects.forget")}</button><span class="soft">${tn("projects.named", named)}</span>`}</p></div>`;
}

export function Part() {
	const here = sources.value.filter((source) => isHere(source) || source.sessions > 0);
	const absent = sources.value.filter((source) => !here.includes(source));
	const list = (some) => html`<ul>${some.map((source) => html`<${Source} key=${source.id} source=${source} />`)}</ul>`;
	const choose = ({ target }) => {
		target.closest("details").open = false;
		choosing.value = true;
	};
	return html`<${Common} />${list(here)}
		${absent.length > 0 && html`<details><summary class="soft">${tn("sources.absent", absent.length)}</summary>${list(absent)}</details>`}<${Projects} />
		<p class="buttons"><${ImportButton} /><button class="small" onClick=${choose}>${t("sources.choose")}</button><button class="small" onClick=${() => openPrices()}>${t("price.title")}</button></p>`;
}
