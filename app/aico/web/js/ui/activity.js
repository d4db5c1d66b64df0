// The section of activity: what is in it is loaded and asked for when it is opened.
import { effect, signal } from "../../vendor/signals-core.js";
import { activity, activityProblem, isOpen, openActivity } from "../activity.js";
import { t, tcode } from "../i18n.js";
import { html } from "./parts.js";

const inside = signal(null);

effect(async () => {
	if (isOpen.value && !inside.value) inside.value = (await import("./seen.js")).Inside;
});

export function Activity() {
	const isThere = isOpen.value && activity.value && inside.value;
	return html`<details class="gaps activity" data-field="activity" open=${isOpen.value} onToggle=${({ target }) => openActivity(target.open)}>
		<summary><b>${t("activity.title")}</b> <span class="soft">${t("activity.what")}</span></summary>
		<div class="panel-box">${isThere ? html`<${inside.value} />` : html`<p class="soft" role="status">${activityProblem.value ? tcode(activityProblem.value) : t("loading")}</p>`}</div></details>`;
}
