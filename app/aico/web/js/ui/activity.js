// The section of activity: what is in it is loaded and asked for when it is opened.
import { effect, signal } from "../../vendor/signals-core.js";
import { t } from "../i18n.js";
import { isOpen, openActivity } from "../opened.js";
import { html } from "./parts.js";

const inside = signal(null);

effect(async () => {
	if (isOpen.value && !inside.value) inside.value = (await import("./seen.js")).Inside;
});

export function Activity() {
	return html`<details class="gaps activity" data-field="activity" open=${isOpen.value} onToggle=${({ target }) => openActivity(target.open)}>
		<summary><b>${t("activity.title")}</b> <span class="soft">${t("activity.what")}</span></summary>
		<div class="panel-box">${isOpen.value && inside.value && html`<${inside.value} />`}</div></details>`;
}
