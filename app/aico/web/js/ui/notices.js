// Where numbers alone would mislead: words, with what to do.
import { minute } from "../clock.js";
import { bytes } from "../format.js";
import { locale, t, tcode, tn } from "../i18n.js";
import { DAY } from "../period.js";
import { embedded } from "../state.js";
import { isTroubled, loadedAt, problem, read, status } from "../store.js";
import { ImportButton } from "./header.js";
import { Ago, html, since, timeOf, when } from "./parts.js";

const Notice = ({ kind, name, children }) =>
	html`<div class=${`notice ${kind}`} data-notice=${name} role=${kind === "bad" ? "alert" : undefined}>${children}</div>`;

function Trouble() {
	if (!problem.value) return null;
	const asOf = loadedAt.value && t("notice.asof", { at: timeOf(loadedAt.value) });
	return html`<${Notice} kind="bad" name="problem"><b>${tcode(problem.value)}</b> ${asOf}<//>`;
}

const codes = (names) => names.map((name) => html`<code>${name}</code> `);

function Origin({ id, state, reason, since: at, paths, missing }) {
	return html`<${Notice} kind=${state === "waiting" ? "warn" : "bad"} name=${id}>
		<b>${t(`watcher.${state}`)}</b> ${tcode(reason)} ${codes(paths)} ${missing.length > 0 && t("watcher.missing")} ${codes(missing)}
		<span class="soft"><${Ago} ms=${at} /></span><//>`;
}

function Origins() {
	const { origins: [{ fixed_by }], task_count } = status.value;
	if (read.value.length === 0) {
		return html`<${Notice} kind="warn" name="off"><b>${tcode("source_off")}</b> ${t("watcher.change")} <code>${fixed_by ?? "aico sources on cline"}</code><//>`;
	}
	const told = read.value.filter(isTroubled);
	// Newer Cline has no ledger at all.
	if (task_count > 0 && read.value.every(({ state }) => state === "waiting")) told.push(read.value[0]);
	return told.map(Origin);
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

export const Notices = () => html`<${Trouble} /><${Origins} /><${Frozen} /><${Recovery} />`;

export function Blocked() {
	const isLocked = problem.value === "token_required";
	return html`<section class="welcome" role="alert" data-state=${problem.value}>
		<h2>${t(isLocked ? "blocked.token" : "blocked.title")}</h2><p>${tcode(problem.value)}</p>
		${!isLocked && html`<p>${t("blocked.start")} <code>aico serve</code></p>`}</section>`;
}

export function Welcome() {
	const { ledger, sessions } = status.value;
	const { exists, path, size_bytes, written_at } = ledger;
	const size = size_bytes !== null && t("welcome.exists", { size: bytes(size_bytes, locale.value), ago: since(written_at, minute.value) });
	const fact = (name, value) => html`<div><dt>${t(`welcome.${name}`)}</dt><dd>${value}</dd></div>`;
	return html`<section class="welcome" data-state=${exists ? "empty" : "no-ledger"}>
		<h2>${t(exists ? "welcome.empty" : "welcome.waiting")}</h2>
		<p>${t(exists ? "welcome.empty.why" : "welcome.waiting.why")}</p>
		${!exists && !sessions && html`<p>${t("welcome.newer")} ${t("frozen.setting")}</p>`}
		<dl>${fact("file", html`<code>${path}</code>`)}${fact("state", size || html`<span class="warn">${t("welcome.missing")}</span>`)}</dl>
		<h3>${t("welcome.todo")}</h3>
		<ul><li><${ImportButton} /><span>${t("welcome.import")}</span></li>
			${["doctor", "demo"].map((command) => html`<li><code>aico ${command}</code><span>${t(`welcome.${command}`)}</span></li>`)}</ul>
		${embedded && html`<p class="soft">${t("footer.promise")}</p>`}</section>`;
}
