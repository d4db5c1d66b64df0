// The keyboard map, and the switch that turns it off (WCAG 2.1.4).
import { t } from "../i18n.js";
import { keysOn, useKeys } from "../keys.js";
import { Icon, html } from "./parts.js";

// Pairs, because an object would put "8" first.
const KEYS = [["/", "filter.label"], ["1 – 7", "help.period"], ["8", "help.custom"], ["r", "import.now"], ["j k", "help.rows"], ["c", "help.copy"], ["e", "help.export"], ["?", "help.help"]];

const dialog = () => document.getElementById("help");
const close = () => dialog().close();

export const Help = () => html`<dialog id="help" aria-labelledby="help-title" onClick=${({ target }) => target === dialog() && close()}>
	<div class="sheet">
		<div class="head"><h2 id="help-title">${t("help")}</h2><button class="ghost" onClick=${close} aria-label=${t("close")}><${Icon} name="close" /></button></div>
		<dl>${KEYS.map(([key, name]) => html`<div><dt><kbd>${key}</kbd></dt><dd>${t(name)}</dd></div>`)}</dl>
		<label><input type="checkbox" checked=${keysOn.value} onChange=${({ target }) => useKeys(target.checked)} /> ${t("help.switch")}</label>
	</div></dialog>`;
