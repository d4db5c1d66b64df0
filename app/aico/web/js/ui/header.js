// Who we are, how everything is, what is read, and when it was.
import { useState } from "../../vendor/preact-hooks.js";
import { second } from "../clock.js";
import { LANGUAGES, language, t, tn, useLanguage } from "../i18n.js";
import { openHelp } from "../keys.js";
import { link } from "../live.js";
import { about, sources } from "../sources.js";
import { embedded, isCline } from "../state.js";
import { nextTheme, theme } from "../theme.js";
import { isHere } from "./found.js";
import { ImportButton, LastImport, Result } from "./imports.js";
import { Icon, Lamp, Later, Segmented, html, since, when } from "./parts.js";
import { Standing } from "./standing.js";

function Kimi() {
	const kimi = about.value?.kimi_proxy;
	if (!kimi) return null;
	const kind = kimi.reason === "secret_refused" ? "warn" : { up: "good", down: "bad" }[kimi.state] ?? "idle";
	const title = kimi.since && t("kimi.since", { at: when(kimi.since, "hour") });
	return html`<${Lamp} name="kimi" kind=${kind} title=${title}>Kimi Proxy ${t(`kimi.${kimi.reason ?? kimi.state}`)}<//>`;
}

function Collector() {
	const way = about.value?.otlp;
	if (!way) return null;
	const taken = way.accepted_at ? t("otlp.taken", { ago: since(way.accepted_at, second.value) }) : t("otlp.never");
	const title = [way.endpoint, way.since && t("kimi.since", { at: when(way.since, "hour") }), taken].filter(Boolean).join(" · ");
	const kind = { accepted: "good", null: "idle" }[way.state] ?? "bad";
	return html`<${Lamp} name="otlp" kind=${kind} title=${title}>${t("otlp")} ${t(`otlp.${way.state ?? "unknown"}`)}<//>`;
}

function Choices() {
	const languages = Object.keys(LANGUAGES).map((tag) => [tag, html`<span aria-label=${LANGUAGES[tag]} role="img">${tag.toUpperCase()}</span>`]);
	const themed = t(`theme.${theme.value}`);
	return html`<${Segmented} label=${t("language")} options=${languages} chosen=${language.value} choose=${useLanguage} />
		<button class="ghost" onClick=${nextTheme} aria-label=${themed} title=${themed}><${Icon} name=${theme.value} /></button>
		<button class="ghost help" onClick=${openHelp} aria-label=${t("help")} title=${t("key.hint", { key: "?" })}>?</button>`;
}

const OpenWhole = () => html`<a class="ghost" href="./" target="_blank" rel="noopener" aria-label=${t("embed.open")}
	title=${t("embed.open")}><${Icon} name="open" /></a>`;

const Name = () => html`<h1><img src="assets/favicon.svg" alt="" width="20" height="20" />${embedded && isCline.value ? html`Cline <span>(local)</span>` : t("title")}</h1>`;

/** Its list is loaded and made when it is opened: a page has switches once. */
function Menu() {
	const [isOpen, setOpen] = useState(false);
	const count = sources.value.filter((source) => source.enabled && (isHere(source) || source.sessions > 0)).length;
	const words = link.value.state === "waiting" ? t("sources.all") : count > 0 ? tn("sources", count) : t("sources.none");
	const turned = ({ target, currentTarget }) => target === currentTarget && setOpen(target.open);
	return html`<details class="popover sources" data-field="sources" onToggle=${turned}><summary class="soft">${words}</summary>
		<div class="panel">${isOpen && html`<${Later} name="tools" />`}</div></details>`;
}

/** A frame has no menu: nothing is switched there. */
export function Header() {
	return html`<header>${about.value?.demo && html`<p class="demo" data-notice="demo"><b>${t("demo")}</b> ${t("demo.why")}</p>`}<div class="top">
		<${Name} /><${Standing} /><${Kimi} /><${Collector} />
		${embedded ? html`<${LastImport} />` : about.value && html`<${Menu} />`}<${Result} />
		<div class="tools">${embedded ? html`<${ImportButton} /><${OpenWhole} />` : html`<${Choices} />`}</div></div></header>`;
}
