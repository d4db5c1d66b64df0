// Where numbers alone would mislead: words, with what to do.
import { minute } from "../clock.js";
import { bytes } from "../format.js";
import { locale, t, tcode, tn } from "../i18n.js";
import { DAY } from "../period.js";
import { embedded } from "../state.js";
import { loadedAt, problem, status } from "../store.js";
import { ImportButton } from "./header.js";
import { Ago, html, since, timeOf, when } from "./parts.js";

const Notice = ({ kind, name, children }) =>
	html`<div class=${`notice ${kind}`} data-notice=${name} role=${kind === "bad" ? "alert" : undefined}>${children}</div>`;

function Trouble() {
	if (!problem.value) return null;
	const asOf = loadedAt.value && t("notice.asof", { at: timeOf(loadedAt.value) });
	return html`<${Notice} kind="bad" name="problem"><b>${tcode(problem.value)}</b> ${asOf}<//>`;
}

function Watcher() {
	const { watcher: { state, reason, since: at }, sessions } = status.value;
	if (state === "watching" || state === "starting") return null;
	if (state === "waiting" && sessions?.watcher.state === "watching") return null; // newer Cline has no ledger at all
	return html`<${Notice} kind=${state === "waiting" ? "warn" : "bad"} name="watcher">
		<b>${t(`watcher.${state}`)}</b> ${reason && tcode(reason)} ${at > 0 && html`<span class="soft">${t("watcher.since")} <${Ago} ms=${at} /></span>`}<//>`;
}

function Sessions() {
	const { watcher, missing = [] } = status.value.sessions ?? {};
	if (!watcher || watcher.state === "watching" || watcher.state === "starting") return null;
	return html`<${Notice} kind="warn" name="sessions"><b>${t("sessions.unread")}</b> ${watcher.reason && tcode(watcher.reason)}${" "}
		${missing.length > 0 && html`${t("sessions.missing")} ${missing.map((name) => html`<code>${name}</code> `)}`}<//>`;
}

function Recovery() {
	const { recovery } = status.value;
	if (!recovery) return null;
	const { backup, backup_at: at, set_aside: file } = recovery;
	return html`<${Notice} kind="warn" name="recovery"><b>${t("recovery.title")}</b>${" "}
		${backup ? t("recovery.backup", { at: when(at, "full") }) : t("recovery.empty")} ${t("recovery.file")} <code>${file}</code><//>`;
}

function Frozen() {
	const { ledger: { frozen_since: written }, sessions } = status.value;
	if (!written) return null;
	const days = Math.floor((minute.value - written) / DAY);
	const reasons = ["unused", "cli", "vscode", "elsewhere"];
	if (!sessions) reasons.push("setting");
	else if (sessions.watcher.state === "watching") reasons.push("read");
	return html`<${Notice} kind="warn" name="frozen"><details>
		<summary><b title=${when(written, "full")}>${tn("frozen.title", days)}</b> <u>${t("frozen.why")}</u></summary>
		<ul>${reasons.map((reason) => html`<li>${t(`frozen.${reason}`)}</li>`)}</ul></details><//>`;
}

export const Notices = () => html`<${Trouble} />${status.value.task_count > 0 && html`<${Watcher} />`}
	<${Sessions} /><${Frozen} /><${Recovery} />`;

export function Blocked() {
	const isLocked = problem.value === "token_required";
	return html`<section class="welcome" role="alert" data-state=${problem.value}>
		<h2>${t(isLocked ? "blocked.token" : "blocked.title")}</h2><p>${tcode(problem.value)}</p>
		${!isLocked && html`<p>${t("blocked.start")} <code>aico serve</code></p>`}</section>`;
}

export function Welcome() {
	const { ledger, watcher, sessions } = status.value;
	const { exists, path, size_bytes, written_at } = ledger;
	const size = size_bytes !== null && t("welcome.exists", { size: bytes(size_bytes, locale.value), ago: since(written_at, minute.value) });
	const hasTrouble = watcher.reason && watcher.reason !== "ledger_not_found";
	const fact = (name, value) => html`<div><dt>${t(`welcome.${name}`)}</dt><dd>${value}</dd></div>`;
	return html`<section class="welcome" data-state=${exists ? "empty" : "no-ledger"}>
		<h2>${t(exists ? "welcome.empty" : "welcome.waiting")}</h2>
		<p>${t(exists ? "welcome.empty.why" : "welcome.waiting.why")}</p>
		${!exists && !sessions && html`<p>${t("welcome.newer")} ${t("frozen.setting")}</p>`}
		<dl>${fact("file", html`<code>${path}</code>`)}${fact("state", size || html`<span class="warn">${t("welcome.missing")}</span>`)}
			${hasTrouble && fact("trouble", html`<span class="bad">${tcode(watcher.reason)}</span>`)}</dl>
		<h3>${t("welcome.todo")}</h3>
		<ul><li><${ImportButton} /><span>${t("welcome.import")}</span></li>
			${["doctor", "demo"].map((command) => html`<li><code>aico ${command}</code><span>${t(`welcome.${command}`)}</span></li>`)}</ul>
		${embedded && html`<p class="soft">${t("footer.promise")}</p>`}</section>`;
}
