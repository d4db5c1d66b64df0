// The keyboard map, and the switch that turns it off (WCAG 2.1.4).
import { t } from "../i18n.js";
import { keysOn, useKeys } from "../keys.js";
import { html } from "./parts.js";
import { Sheet } from "./sheet.js";

// Pairs, because an object would put "8" first.
const KEYS = [["/", "filter.label"], ["1 – 7", "help.period"], ["8", "help.custom"], ["r", "import.now"], ["j k", "help.rows"], ["c", "help.copy"], ["e", "help.export"], ["?", "help.help"]];

export const Help = () => html`<${Sheet} id="help" title=${t("help")}>
		<dl>${KEYS.map(([key, name]) => html`<div><dt><kbd>${key}</kbd></dt><dd>${t(name)}</dd></div>`)}</dl>
		<label><input type="checkbox" checked=${keysOn.value} onChange=${({ target }) => useKeys(target.checked)} /> ${t("help.switch")}</label><//>`;
