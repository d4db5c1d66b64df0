// The section of activity: what is in it is loaded and asked for when it is opened.
import { t } from "../i18n.js";
import { isOpen, openActivity } from "../opened.js";
import { Later, html } from "./parts.js";

export function Activity() {
	return html`<details class="gaps activity" data-field="activity" open=${isOpen.value} onToggle=${({ target }) => openActivity(target.open)}>
		<summary><b>${t("activity.title")}</b> <span class="soft">${t("activity.what")}</span></summary>
		<div class="panel-box">${isOpen.value && html`<${Later} name="seen" />`}</div></details>`;
}
