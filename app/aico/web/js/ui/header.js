// Who we are, whether it is live, the last import and the next.
import { second } from "../clock.js";
import { LANGUAGES, language, t, tcode, tn, useLanguage } from "../i18n.js";
import { link } from "../live.js";
import { embedded } from "../state.js";
import { importNow, importResult, importing, isTroubled, loadedAt, problem, read, status } from "../store.js";
import { nextTheme, theme } from "../theme.js";
import { openHelp } from "./help.js";
import { Ago, Icon, Segmented, html, timeOf, when, whole } from "./parts.js";

const OFFLINE_MS = 10_000;
const RESULT_MS = 20_000;

/** The connection in words: [kind, words]. */
function connection() {
	const { state, since, retryAt } = link.value;
	if (state === "live") {
		if (problem.value) return ["bad", t("live.problem")];
		if (read.value?.length === 0) return ["idle", t("live.off")];
		return read.value?.some(isTroubled) ? ["bad", t("live.impaired")] : ["good", t("live.live")];
	}
	if (state === "connecting") return ["idle", t("live.connecting")];
	const now = second.value;
	if (now - since < OFFLINE_MS) return ["warn", t("live.retry", { n: Math.max(0, Math.ceil((retryAt - now) / 1000)) })];
	const asOf = loadedAt.value ? t("live.asof", { at: timeOf(loadedAt.value) }) : "";
	return ["bad", t("live.offline", { since: timeOf(since) }) + asOf];
}

const Lamp = ({ name, kind, title, children }) =>
	html`<span class=${`live ${kind}`} data-field=${name} title=${title}><i></i>${children}</span>`;

function Live() {
	const [kind, words] = connection();
	return html`<${Lamp} name="live" kind=${kind}>${words}<//>`;
}

function Kimi() {
	const kimi = status.value?.kimi_proxy;
	if (!kimi) return null;
	const kind = kimi.reason === "secret_refused" ? "warn" : { up: "good", down: "bad" }[kimi.state] ?? "idle";
	const title = kimi.since && t("kimi.since", { at: when(kimi.since, "hour") });
	return html`<${Lamp} name="kimi" kind=${kind} title=${title}>Kimi Proxy ${t(`kimi.${kimi.reason ?? kimi.state}`)}<//>`;
}

function done({ added_count, updated_count }) {
	const parts = [added_count && tn("import.added", added_count), updated_count && tn("import.updated", updated_count)];
	return parts.filter(Boolean).join(" · ") || t("import.nothing");
}

const errors = ({ error_count }) => tn("import.errors", error_count);

function Rejections({ run }) {
	if (!run.rejections.length) return null;
	return html`<p>${tn("import.rejected", run.error_count)}</p>
		<ul>${run.rejections.map(({ index, code, field }) => html`
			<li>${t("import.entry", { index: index + 1 })} ${field && html`<code>${field}</code> `}${tcode(code)}</li>`)}</ul>`;
}

function LastImport() {
	if (!status.value) return null;
	const { last_import: run, latest_ts, sessions } = status.value;
	if (!run) return html`<span class="last soft" data-field="last-import">${t("import.last")} ${t("import.never")}</span>`;
	const facts = {
		at: when(run.at, "full"),
		trigger: t(`trigger.${run.trigger}`),
		took: `${whole(Math.ceil(run.duration_ms))} ms`,
		unchanged: whole(run.skipped_count),
		newest: html`<${Ago} ms=${latest_ts} />`,
	};
	if (sessions?.last_import) facts.sessions = html`<${Ago} ms=${sessions.last_import.at} /> · ${tn("table.sum", sessions.task_count)}`;
	if (run.partial_count) facts.partial = whole(run.partial_count);
	if (run.remaining_count) facts.remaining = whole(run.remaining_count);
	return html`<details class="last popover" data-field="last-import">
		<summary class="soft">${t("import.last")} <${Ago} ms=${run.at} /><span class="counts"> · ${done(run)}</span><span class=${run.error_count > 0 ? "warn" : "counts"}> · ${errors(run)}</span></summary>
		<div class="panel">
			<dl>${Object.entries(facts).map(([name, value]) => html`<div><dt>${t(`import.${name}`)}</dt><dd>${value}</dd></div>`)}</dl>
			<${Rejections} run=${run} />
		</div></details>`;
}

function Result() {
	const result = importResult.value;
	let words = "";
	if (importing.value) words = t("import.running");
	else if (result && second.value - result.at < RESULT_MS) {
		words = result.code ? tcode(result.code) : t("import.done", { counts: `${done(result.receipt)} · ${errors(result.receipt)}` });
	}
	const kind = result?.code && !importing.value ? "bad" : "good";
	return html`<span role="status" class=${kind} data-field="import-result">${words}</span>`;
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

export function Header() {
	return html`<header>${status.value?.demo && html`<p class="demo" data-notice="demo"><b>${t("demo")}</b> ${t("demo.why")}</p>`}<div class="top">
		<h1><img src="assets/favicon.svg" alt="" width="20" height="20" />Cline <span>(local)</span></h1>
		<${Live} /><${Kimi} /><${LastImport} /><${Result} />
		<div class="tools">
			<${ImportButton} />
			${embedded ? html`<${OpenWhole} />` : html`<${Choices} />`}
		</div></div></header>`;
}

export const ImportButton = () => html`<button class="primary" onClick=${importNow} aria-busy=${importing.value}
	title=${t("key.hint", { key: "r" })}><${Icon} name="refresh" />${t("import.now")}</button>`;
