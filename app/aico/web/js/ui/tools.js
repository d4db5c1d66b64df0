// The list of every source: how it is, when it was read, and its switches.
import { share } from "../format.js";
import { locale, t, tn, why } from "../i18n.js";
import { openPrices } from "../prices.js";
import { choosing, progress, sources } from "../sources.js";
import { isHere, lying, originTitle } from "./found.js";
import { ImportButton } from "./imports.js";
import { Ago, html } from "./parts.js";
import { Fixed, Refused, Standing, Switch } from "./switches.js";

const ORDER = ["failed", "degraded", "starting", "watching", "waiting"];

/** What is not there is no matter beside what is read. */
function worst({ origins }) {
	return origins.filter(({ enabled }) => enabled).sort((a, b) => ORDER.indexOf(a.state) - ORDER.indexOf(b.state))[0];
}

function State({ source }) {
	const origin = worst(source);
	const going = progress.value.get(source.id);
	if (!origin) return html`<span class="soft">${t("state.off")}</span>`;
	if (going) return html`<span>${t("live.reading", { share: share(going.done / (going.total || 1), 1, locale.value) })}</span>`;
	if (origin.state === "watching") return source.last_read_at && html`<span class="soft">${t("state.read")} <${Ago} ms=${source.last_read_at} /></span>`;
	const kind = origin.state === "degraded" || origin.state === "failed" ? "bad" : "soft";
	return html`<span class=${kind}>${t(`state.${origin.state}`)}${origin.reason && ` ${why(origin.reason)}`}</span>`;
}

const Origin = ({ source, origin, isTold }) => html`<li><${Switch} source=${source} origin=${origin} words=${originTitle(source, origin)} />
	<span class="soft">${lying(origin)}</span><${Standing} source=${source} origin=${origin} isTold=${isTold} /></li>`;

const Source = ({ source, isTold }) => html`<li data-source=${source.id}><div class="line"><b>${source.title}</b><${State} source=${source} /></div>
	${source.sessions > 0 && html`<p class="soft">${tn("source.sessions", source.sessions)}${source.future_sessions > 0 && ` ${tn("source.future", source.future_sessions)}`}</p>`}
	<ul>${source.origins.map((origin) => html`<${Origin} source=${source} origin=${origin} isTold=${isTold} />`)}</ul><${Refused} source=${source} /></li>`;

export function Part() {
	const here = sources.value.filter((source) => isHere(source) || source.sessions > 0);
	const absent = sources.value.filter((source) => !here.includes(source));
	const [fixed, ...more] = new Set(sources.value.flatMap(({ origins }) => origins.map(({ fixed_by }) => fixed_by)));
	const isTold = fixed && more.length === 0;
	const list = (some) => html`<ul>${some.map((source) => html`<${Source} key=${source.id} source=${source} isTold=${isTold} />`)}</ul>`;
	const choose = ({ target }) => {
		target.closest("details").open = false;
		choosing.value = true;
	};
	return html`${isTold && html`<${Fixed} by=${fixed} />`}${list(here)}
		${absent.length > 0 && html`<details><summary class="soft">${tn("sources.absent", absent.length)}</summary>${list(absent)}</details>`}
		<p class="buttons"><${ImportButton} /><button class="small" onClick=${choose}>${t("sources.choose")}</button><button class="small" onClick=${() => openPrices()}>${t("price.title")}</button></p>`;
}
