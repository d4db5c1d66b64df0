// The keyboard map, and the switch that turns it off (WCAG 2.1.4).
import { signal } from "../../vendor/signals-core.js";
import { t } from "../i18n.js";
import { keep, recall } from "../stored.js";
import { Icon, html } from "./parts.js";

const STORED = "keys";
// Pairs, because an object would put "7" first.
const KEYS = [["/", "filter.label"], ["1 – 6", "help.period"], ["7", "help.custom"], ["r", "import.now"], ["j k", "help.rows"], ["c", "help.copy"], ["e", "help.export"], ["?", "help.help"]];

export const keysOn = signal(recall(STORED) !== "off");

const dialog = () => document.getElementById("help");
export const openHelp = () => dialog().showModal();
const close = () => dialog().close();

function toggle({ target }) {
	keysOn.value = target.checked;
	keep(STORED, keysOn.value ? "on" : "off");
}

export const Help = () => html`<dialog id="help" aria-labelledby="help-title" onClick=${({ target }) => target === dialog() && close()}>
	<div class="sheet">
		<div class="head"><h2 id="help-title">${t("help")}</h2><button class="ghost" onClick=${close} aria-label=${t("close")}><${Icon} name="close" /></button></div>
		<dl>${KEYS.map(([key, name]) => html`<div><dt><kbd>${key}</kbd></dt><dd>${t(name)}</dd></div>`)}</dl>
		<label><input type="checkbox" checked=${keysOn.value} onChange=${toggle} /> ${t("help.switch")}</label>
	</div></dialog>`;
