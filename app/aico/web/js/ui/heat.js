// The lines of the heat map and of activity: closed until somebody wants them; what is in them is loaded only then.
import { useEffect, useState } from "../../vendor/preact-hooks.js";
import { getHeat } from "../api.js";
import { isOpen as isActive, openActivity } from "../asked.js";
import { t } from "../i18n.js";
import { zone } from "../period.js";
import { loadedAt, shown, summary, usageFilter } from "../store.js";
import { keep, recall } from "../stored.js";
import { Complaint, Later, html } from "./parts.js";

const STORED = "hours";

async function load(question) {
	const [{ Grid }, heat] = await Promise.all([import("./hours.js"), getHeat({ ...question, tz: zone() })]);
	return { Grid, heat };
}

export function Heat() {
	const [isOpen, setOpen] = useState(recall(STORED) === "open");
	const [drawn, setDrawn] = useState(null);
	const { period } = shown.value.state;
	const by = ["year", "all"].includes(period) ? "day" : "hour";
	const seq = summary.value.commit_seq;
	const question = JSON.stringify([usageFilter.value, by]);
	useEffect(() => {
		let isCurrent = true;
		if (isOpen) load({ ...usageFilter.value, by }).catch(({ code }) => ({ code: code ?? "internal_error" })).then((found) => isCurrent && setDrawn(found));
		return () => (isCurrent = false);
	}, [isOpen, question, seq, drawn?.code && loadedAt.value]);
	const toggle = ({ currentTarget }) => {
		setOpen(currentTarget.open);
		keep(STORED, currentTarget.open ? "open" : "");
	};
	return html`<details class="gaps" data-field="hours" open=${isOpen} onToggle=${toggle}><summary><b>${t("hours.title")}</b> <span class="soft">${t(`hours.${by}`)}</span></summary>
		${isOpen && drawn && html`<div class="panel-box">${drawn.code ? html`<${Complaint} code=${drawn.code} />` : html`<${drawn.Grid} heat=${drawn.heat} />`}</div>`}</details>`;
}

export function Activity() {
	return html`<details class="gaps activity" data-field="activity" open=${isActive.value} onToggle=${({ target }) => openActivity(target.open)}>
		<summary><b>${t("activity.title")}</b> <span class="soft">${t("activity.what")}</span></summary>
		<div class="panel-box">${isActive.value && html`<${Later} name="seen" />`}</div></details>`;
}
