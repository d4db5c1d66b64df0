// The menu of sources in the head; its list is loaded and made when it is opened: a page has switches once.
import { useState } from "../../vendor/preact-hooks.js";
import { t, tn } from "../i18n.js";
import { link } from "../live.js";
import { sources } from "../sources.js";
import { isHere } from "./found.js";
import { Later, html } from "./parts.js";

export function Menu() {
	const [isOpen, setOpen] = useState(false);
	const count = sources.value.filter((source) => source.enabled && (isHere(source) || source.sessions > 0)).length;
	const words = link.value.state === "waiting" ? t("sources.all") : count > 0 ? tn("sources", count) : t("sources.none");
	const turned = ({ target, currentTarget }) => target === currentTarget && setOpen(target.open);
	return html`<details class="popover sources" data-field="sources" onToggle=${turned}><summary class="soft">${words}</summary>
		<div class="panel">${isOpen && html`<${Later} name="tools" />`}</div></details>`;
}
