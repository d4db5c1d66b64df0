// If numbers alone would mislead: words, with what to do.
import { minute } from "../clock.js";
import { t, tcode, tn } from "../i18n.js";
import { link } from "../live.js";
import { DAY } from "../period.js";
import { about, counted, isSlow, isWaiting, offered, read, sources, troubled } from "../sources.js";
import { embedded, state } from "../state.js";
import { loadedAt, problem } from "../store.js";
import { ImportButton } from "./imports.js";
import { Ago, Copyable, Notice, Words, html, timeOf, when } from "./parts.js";
import { Progress } from "./found.js";

const FROZEN = 7 * DAY; // newer Cline leaves its ledger as it is

function Trouble() {
	if (!problem.value) return null;
	const asOf = loadedAt.value && t("notice.asof", { at: timeOf(loadedAt.value) });
	return html`<${Notice} kind="bad" name="problem"><b><${Words} text=${tcode(problem.value)} /></b> ${asOf}<//>`;
}

const codes = (names) => names.map((name) => html`<code>${name}</code> `);

function Origin({ source, id, state, reason, since: at, paths, missing }) {
	const how = isSlow({ reason }) ? "slow" : state;
	return html`<${Notice} kind=${how === "slow" || how === "waiting" ? "warn" : "bad"} name=${id}>
		<b>${source.title}${t("colon")} ${t(`watcher.${how}`)}</b> <${Words} text=${tcode(reason)} /> ${codes(paths)} ${missing.length > 0 && t("watcher.missing")} ${codes(missing)}
		<span class="soft"><${Ago} ms=${at} /></span><//>`;
}

function Origins() {
	if (!about.value) return null;
	if (read.value.length === 0) {
		const fixed = sources.value.find(({ id }) => id === "cline")?.fixed_by;
		const change = fixed ? `\`${fixed}\`` : embedded ? "`aico sources on cline`" : t("watcher.menu");
		return html`<${Notice} kind="warn" name="off"><b>${tcode("source_off")}</b> ${t("watcher.change")} <${Words} text=${change} /><//>`;
	}
	// An absent file is no trouble, but numbers that are kept should not look as if they went on.
	const waiting = isWaiting.value && counted.value > 0 && offered.value.length === 0 ? read.value.slice(0, 1) : [];
	return [...troubled.value, ...read.value.filter(isSlow), ...waiting].map(Origin);
}

/** Without sockets: why, and what changes that. */
function Polling() {
	const { state: how, why } = link.value;
	if (how !== "polling") return null;
	return html`<${Notice} kind="warn" name="polling"><b>${t("live.polling", { n: 10 })}.</b> <${Words} text=${t(`polling.${why}`)} />
		${why === "origin_refused" && html` <${Words} text=${t("polling.setting", { origin: location.origin })} />`}<//>`;
}

function Recovery() {
	const { recovery } = about.value ?? {};
	if (!recovery) return null;
	const { backup, backup_at: at, set_aside: file } = recovery;
	return html`<${Notice} kind="warn" name="recovery"><b>${t("recovery.title")}</b>${" "}
		${backup ? t("recovery.backup", { at: when(at, "full") }) : t("recovery.empty")} ${t("recovery.file")} <${Copyable} text=${file} /><//>`;
}

function Frozen() {
	const origins = sources.value.find(({ id }) => id === "cline")?.origins ?? [];
	const [ledger, sessions] = ["ledger", "sessions"].map((name) => origins.find(({ id }) => id === name));
	const written = ledger?.enabled && ledger.look?.last_written_at;
	if (!written || minute.value - written < FROZEN || sessions?.state === "watching") return null;
	const days = Math.floor((minute.value - written) / DAY);
	const reasons = ["unused", "cli", "vscode", "elsewhere", ...(sessions?.enabled ? [] : ["setting"])];
	return html`<${Notice} kind="warn" name="frozen"><details>
		<summary><b title=${when(written, "full")}>${tn("frozen.title", days)}</b> <u>${t("frozen.why")}</u></summary>
		<ul>${reasons.map((reason) => html`<li><${Words} text=${t(`frozen.${reason}`)} /></li>`)}</ul></details><//>`;
}

/** Cline's old file says nothing to a reader of other tools. */
const showsCline = () => state.value.source.length === 0 || state.value.source.includes("cline");

export const Notices = () => html`<${Trouble} /><${Polling} /><${Origins} /><${Progress} />
	${showsCline() && html`<${Frozen} />`}<${Recovery} />`;

export function Blocked() {
	const isLocked = problem.value === "token_required";
	return html`<section class="welcome" role="alert" data-state=${problem.value}>
		<h2>${t(isLocked ? "blocked.token" : "blocked.title")}</h2><p><${Words} text=${tcode(problem.value)} /></p>
		${isLocked ? !embedded && html`<p><a href="login">${t("blocked.sign")}</a></p>` : html`<p><${Words} text=${t("blocked.start")} /></p>`}</section>`;
}

/** In a frame nothing is switched: what is shown there is somebody else's page. */
export const Welcome = () => html`<section class="welcome" data-state="empty"><h2>${t("start.empty")}</h2><p>${t("start.empty.why")}</p>
	<p class="buttons"><${ImportButton} /></p><p class="soft">${t("footer.promise")}</p></section>`;
