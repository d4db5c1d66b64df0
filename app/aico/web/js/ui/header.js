// Name, state, sources, and the last reading: one state, never a green word beside a red one.
import { useState } from "../../vendor/preact-hooks.js";
import { computed } from "../../vendor/signals-core.js";
import { second } from "../clock.js";
import { share } from "../format.js";
import { LANGUAGES, language, locale, t, tcode, tn, useLanguage, why } from "../i18n.js";
import { openHelp } from "../keys.js";
import { POLL_MS, link } from "../live.js";
import { about, counted, isSlow, isWaiting, offered, read, reading, sources, troubled } from "../sources.js";
import { embedded, isCline } from "../state.js";
import { loadedAt, problem } from "../store.js";
import { nextTheme, theme } from "../theme.js";
import { isHere } from "./found.js";
import { ImportButton, LastImport, Result } from "./imports.js";
import { Icon, Lamp, Later, Segmented, html, since, timeOf, when } from "./parts.js";

const OFFLINE_MS = 3000; // a service that is started anew is not gone

const titles = (origins) => [...new Set(origins.map(({ source }) => source.title))];

/** With what is said on hover. */
const say = (kind, words, title) => ({ kind, words, title });

const standing = computed(() => {
	const { state, since, retryAt, why: blocked } = link.value;
	if (state === "connecting" && !(about.value && loadedAt.value)) return say("idle", t("live.connecting"));
	if (state === "waiting") {
		const now = second.value;
		const n = Math.max(0, Math.ceil((retryAt - now) / 1000));
		const asOf = loadedAt.value ? t("live.asof", { at: timeOf(loadedAt.value) }) : "";
		if (now - since < OFFLINE_MS) return say("warn", t("live.retry", { n }), asOf);
		return say("bad", t("live.offline", { since: timeOf(since), n }), asOf);
	}
	if (problem.value) return say("bad", t("live.problem"), tcode(problem.value).replaceAll("`", ""));
	const failing = titles(troubled.value);
	if (failing.length === 1) {
		const words = t("live.cannot", { source: failing[0], why: why(troubled.value[0].reason) });
		return say("bad", words, words);
	}
	if (failing.length > 1) return say("bad", tn("live.cannot.many", failing.length), failing.join(", "));
	if (reading.value) return say("idle", t("live.reading", { share: share(reading.value.share, 1, locale.value) }));
	if (about.value && read.value.length === 0) return say("idle", t("live.off"));
	if (isWaiting.value && offered.value.length > 0) return say("idle", t(counted.value > 0 ? "live.off" : "live.choice"));
	if (isWaiting.value) return say("idle", t("live.waiting", { what: titles(read.value).join(", ") }));
	if (state === "polling") {
		return say("warn", t("live.polling", { n: POLL_MS / 1000 }), t(`polling.${blocked}`).replaceAll("`", ""));
	}
	if (about.value?.demo) return say("good", t("live.demo"));
	const slow = read.value.find(isSlow);
	if (slow) return say("warn", t("live.slow"), tcode(slow.reason));
	return say("good", t("live.live"), sources.value.filter(({ enabled }) => enabled).map(({ title }) => title).join(", "));
});

export function Standing() {
	const { kind, words, title } = standing.value;
	return html`<${Lamp} name="live" kind=${kind} title=${title || undefined}><span>${words}</span><//>`;
}

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
