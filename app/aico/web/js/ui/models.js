// Where the money, or the tokens, went.
import { useState } from "../../vendor/preact-hooks.js";
import { share } from "../format.js";
import { locale, t, tn } from "../i18n.js";
import { chooseModel, clearModel, state } from "../state.js";
import { known, metric, summary } from "../store.js";
import { ModelName, Money, Tokens, html, isUnpriced, whole } from "./parts.js";

const TOP = 7;
const tokens = (row) => row.tokens_in + row.tokens_out;
const value = (row) => (metric.value === "cost" ? row.total_cost : tokens(row));

const Bar = ({ ratio }) => html`<svg class="bar" viewBox="0 0 100 1" preserveAspectRatio="none" aria-hidden="true">
	<rect width="100" height="1" /><rect width=${100 * (ratio || 0)} height="1" /></svg>`;

function Row({ row, most, words, label, isOn, press }) {
	const part = metric.value === "cost" && isUnpriced(row) ? null : value(row);
	return html`<tr class=${isOn && "on"}>
		<th scope="row"><button aria-pressed=${isOn} aria-label=${label} onClick=${press}>${words}</button>${most && html`<${Bar} ratio=${part / most} />`}</th>
		<td>${isUnpriced(row) ? html`<span class="tag">${t("unpriced")}</span>` : html`<${Money} usd=${row.total_cost} />`}</td>
		<td>${share(part, value(summary.value.totals), locale.value)}</td>
		<td class="minor soft"><${Tokens} n=${tokens(row)} /></td>
		<td class="minor soft">${row.task_count && whole(row.task_count)}</td></tr>`;
}

function ModelRow({ row, most }) {
	const { model, unknown_model } = state.value;
	const isOn = row.model_id === null ? unknown_model : model === row.model_id;
	const press = () => (isOn ? clearModel() : chooseModel(row.model_id));
	return html`<${Row} row=${row} most=${most} isOn=${isOn} press=${press} label=${row.model_id ?? undefined} words=${html`<${ModelName} id=${row.model_id} />`} />`;
}

/** A task that used two models counts in both rows: tasks have no sum. */
function add(rows) {
	const sum = (name) => rows.reduce((total, row) => total + (row[name] ?? 0), 0);
	return known(Object.fromEntries(["tokens_in", "tokens_out", "total_cost", "unmeasured_count"].map((name) => [name, sum(name)])));
}

export function Models() {
	const [isOpen, setOpen] = useState(false);
	const models = [...summary.value.by_model].sort((a, b) => (value(b) || 0) - (value(a) || 0) || tokens(b) - tokens(a));
	const top = isOpen || models.length <= TOP + 1 ? models : models.slice(0, TOP);
	const rest = models.slice(top.length);
	const columns = [["col.model_id"], ["metric.cost"], ["models.share"], ["metric.tokens", "minor"], ["card.tasks", "minor"]];
	return html`<section class="panel-box models" aria-label=${t("models.title")}>
		<div class="head"><h2>${t("models.title")}</h2>${isOpen && html`<button class="quiet" onClick=${() => setOpen(false)}>${t("models.less")}</button>`}</div>
		${models.length === 0 && html`<p class="empty soft">${t("table.empty")}</p>`}
		<table hidden=${models.length === 0}><thead><tr>${columns.map(([key, kind]) => html`<th scope="col" class=${kind}>${t(key)}</th>`)}</tr></thead>
			<tbody>${top.map((row) => html`<${ModelRow} key=${row.model_id} row=${row} most=${value(models[0])} />`)}
				${rest.length > 0 && html`<${Row} row=${add(rest)} press=${() => setOpen(true)} words=${tn("models.other", rest.length)} />`}</tbody></table></section>`;
}
