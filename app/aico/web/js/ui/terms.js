// Budgets, plans, limits and webhook: plain forms in a dialog.
import { useEffect, useState } from "../../vendor/preact-hooks.js";
import { deleteBudget, deletePlan, getWebhook, putBudget, putPlan, testWebhook } from "../api.js";
import { share } from "../format.js";
import { locale, t } from "../i18n.js";
import { sources } from "../sources.js";
import { wantNotifications } from "../notify.js";
import { budgets, limits, notifying, permission, plans, readTerms } from "../terms.js";
import { Bar, budgetState, kindOf, ofLimit, priceOf, reaches, resets, used, windowName } from "./glance.js";
import { Fixed, Toggle } from "./switches.js";
import { Ago, Complaint, Icon, Words, amount, html, timeOf, titleOf, when } from "./parts.js";
import { Sheet, once } from "./sheet.js";

const PERIODS = { month: "monthly", week: "weekly", day: "daily" };
const day = (text) => when(new Date(`${text}T12:00`).getTime(), "date");

/** An attempt's result is said where it was made. */
function useAttempt() {
	const [code, setCode] = useState(null);
	const attempt = async (work) => {
		try {
			await work();
			setCode(null);
			await readTerms();
		} catch (error) {
			if (!error.code) throw error;
			setCode(error.code);
		}
	};
	return [attempt, html`<${Complaint} code=${code} />`];
}

/** A form's fields as an object; what is empty is null. */
const fieldsOf = (form) => Object.fromEntries([...new FormData(form)].map(([name, value]) => [name, value.trim() || null]));

const said = (form) => String([...new FormData(form)]);

/** Empties the form of what is saved; what was opened or typed meanwhile stays. */
const saved = (edit, edited, empty, form, sent = said(form)) => () => said(form) === sent && edit((now) => (now === edited ? empty : now), form.reset());

const Field = ({ name, label, value, children, ...more }) => html`<label><span>${label}</span>${children ?? html`<input name=${name} autocomplete="off" defaultValue=${value} ...${more} />`}</label>`;

const Sources = ({ chosen, none }) => html`<select name="source">${none && html`<option value="">${none}</option>`}
	${sources.value.map(({ id, title }) => html`<option key=${id} value=${id} selected=${id === chosen}>${title}</option>`)}</select>`;

const Dollars = (props) => html`<${Field} type="number" min="0.01" max="1000000000" step="any" inputmode="decimal" ...${props} />`;

const Remove = ({ label, onClick }) => html`<button class="ghost" onClick=${onClick} aria-label=${label} title=${label}><${Icon} name="close" /></button>`;

function Budget({ budget, edit, attempt }) {
	const { name, period, amount_usd, spent_usd, at_least, source, model, project, fixed_by, reached_at } = budget;
	const parts = [source && titleOf(source), model, project].filter(Boolean);
	const kind = budgetState(spent_usd, amount_usd);
	return html`<li data-budget=${name} class=${`budget ${kind}`}><div class="line"><span><button class="link" disabled=${Boolean(fixed_by)} onClick=${edit}>${name}</button> <span class="soft">${t(`budget.per.${period}`)}${parts.length > 0 && ` · ${parts.join(" · ")}`}</span></span>
		<span>${at_least && `${t("atleast")} `}<b>${amount(spent_usd)}</b> ${t("budget.of", { budget: amount(amount_usd) })} · ${share(spent_usd, amount_usd, locale.value)}</span>
		${!fixed_by && html`<${Remove} label=${t("terms.remove", { name })} onClick=${once(() => attempt(() => deleteBudget(name)))} />`}</div>
		<${Bar} part=${spent_usd / amount_usd} />
		${spent_usd >= amount_usd ? html`<p><b>${t("budget.reached")}</b></p>` : reached_at && html`<p class="soft">${t("limit.at", { at: timeOf(reached_at) })}</p>`}${fixed_by && html`<${Fixed} by=${fixed_by} />`}</li>`;
}

const NEW_BUDGET = { name: "", period: "month", amount_usd: "", source: null, model: "", project: "" };

function Budgets() {
	const [edited, edit] = useState(NEW_BUDGET);
	const [attempt, complaint] = useAttempt();
	const save = (event) => {
		event.preventDefault();
		const { name, amount_usd, ...fields } = fieldsOf(event.target);
		const named = name ?? [PERIODS[fields.period], fields.source, fields.model, fields.project].filter(Boolean).join("-").replaceAll("/", "-");
		attempt(() => putBudget(named, { ...fields, amount_usd: Number(amount_usd) }).then(saved(edit, edited, NEW_BUDGET, event.target)));
	};
	return html`<section data-field="budgets"><h3>${t("budgets")}</h3><p class="soft">${t("budgets.why")}</p>
		<ul>${(budgets.value ?? []).map((budget) => html`<${Budget} key=${budget.name} budget=${budget} attempt=${attempt} edit=${() => edit(budget)} />`)}</ul>${complaint}
		<form key=${edited.name} onSubmit=${save}>
			<${Field} name="name" label=${t("budget.name")} value=${edited.name} maxlength="64" pattern="[^\\/]+" />
			<${Dollars} name="amount_usd" label=${t("budget.amount")} value=${edited.amount_usd} required />
			<${Field} label=${t("budget.period")}><select name="period">${Object.keys(PERIODS).map((period) => html`<option value=${period} selected=${period === edited.period}>${t(`budget.per.${period}`)}</option>`)}</select><//>
			<${Field} label=${t("budget.source")}><${Sources} chosen=${edited.source} none=${t("budget.everything")} /><//>
			<${Field} name="model" label=${t("budget.model")} value=${edited.model ?? ""} maxlength="200" />
			<${Field} name="project" label=${t("budget.project")} value=${edited.project ?? ""} maxlength="200" />
			<button class="small">${t("terms.save")}</button></form></section>`;
}

function Plan({ plan, edit, attempt }) {
	const { source, since, until, value_usd, at_least, fixed_by } = plan;
	const value = value_usd === null ? t("unpriced") : `${at_least ? `${t("atleast")} ` : ""}${amount(value_usd)}`;
	return html`<li data-plan=${source}><div class="line"><span><button class="link" disabled=${Boolean(fixed_by)} onClick=${edit}>${titleOf(source)}</button> <span class="soft">${t("plan.renews", { day: day(until) })}</span></span>
		<span>${t("plan.value", { value, price: priceOf(plan) })}</span>${!fixed_by && html`<${Remove} label=${t("terms.remove", { name: titleOf(source) })} onClick=${once(() => attempt(() => deletePlan(source)))} />`}</div>
		<p class="soft">${t("plan.since", { day: day(since) })}</p>${fixed_by && html`<${Fixed} by=${fixed_by} />`}</li>`;
}

const NEW_PLAN = { source: "claude-code", price: "", currency: "USD", renews_on: "", limits: {} };
const orNull = (text) => (text === null ? null : Number(text));

function Plans() {
	const [edited, edit] = useState(NEW_PLAN);
	const [attempt, complaint] = useAttempt();
	const save = (event) => {
		event.preventDefault();
		const { source, price, currency, renews_on, five_hours_usd, week_usd } = fieldsOf(event.target);
		const body = { price: Number(price), currency: currency.toUpperCase(), renews_on: Number(renews_on), limits: { five_hours_usd: orNull(five_hours_usd), week_usd: orNull(week_usd) } };
		attempt(() => putPlan(source, body).then(saved(edit, edited, NEW_PLAN, event.target)));
	};
	return html`<section data-field="plans"><h3>${t("plans")}</h3><p class="soft">${t("plans.why")}</p>
		<ul>${plans.value.map((plan) => html`<${Plan} key=${plan.source} plan=${plan} attempt=${attempt} edit=${() => edit(plan)} />`)}</ul>${complaint}
		<form key=${`${edited.source} ${edited.price}`} onSubmit=${save}>
			<${Field} label=${t("col.source")}><${Sources} chosen=${edited.source} /><//>
			<${Field} name="price" label=${t("plan.price")} type="number" min="0" step="any" inputmode="decimal" value=${edited.price} required />
			<${Field} name="currency" label=${t("plan.currency")} value=${edited.currency} required pattern="[A-Za-z]{3}" maxlength="3" />
			<${Field} name="renews_on" label=${t("plan.day")} type="number" min="1" max="31" value=${edited.renews_on} required />
			<${Dollars} name="five_hours_usd" label=${t("plan.five_hours")} value=${edited.limits.five_hours_usd ?? ""} />
			<${Dollars} name="week_usd" label=${t("plan.week")} value=${edited.limits.week_usd ?? ""} />
			<button class="small">${t("terms.save")}</button></form></section>`;
}

function Limit({ limit }) {
	const { origin, usd_per_hour: rate, used_share, limit_usd, used_usd, as_of } = limit;
	const words = [
		resets(limit),
		rate > 0 && t("limit.rate", { usd: amount(rate) }),
		reaches(limit),
		limit_usd && (used_usd === null ? ofLimit(limit) : `${amount(used_usd)} ${t("budget.of", { budget: amount(limit_usd) })}`),
	].filter(Boolean);
	return html`<li class=${`budget ${kindOf(limit)}`} data-limit=${`${limit.source}/${limit.window}`}><div class="line"><span>${windowName(limit)} <span class="tag" title=${t(`limit.${origin}.why`)}>${t(`limit.${origin}`)}</span></span><b>${used(limit)}</b></div>
		${used_share !== null && html`<${Bar} part=${used_share} />`}<p class="soft">${words.join(" · ")}${origin === "tool" && html` · ${t("limit.told")} <${Ago} ms=${as_of} />`}</p></li>`;
}

function Limits() {
	const shown = limits.value.filter(({ origin }) => origin !== "budget");
	return html`<section data-field="limits"><h3>${t("limits")}</h3>
		${shown.length ? html`<ul>${shown.map((limit) => html`<${Limit} key=${`${limit.source} ${limit.plan} ${limit.window}`} limit=${limit} />`)}</ul>` : html`<p class="soft">${t("limits.none")}</p>`}</section>`;
}

function Notify() {
	const state = permission();
	const isOn = notifying.value && state === "granted";
	const why = { denied: t("notify.denied"), null: t("notify.impossible") }[state];
	return html`<${Toggle} of=${{ enabled: isOn, fixed_by: why }} name="notify" words=${t("notify")} turn=${wantNotifications} />${why && html`<p class="soft">${why}</p>`}`;
}

function Webhook() {
	const [hook, setHook] = useState(null);
	const [answer, setAnswer] = useState(null);
	const [attempt, complaint] = useAttempt();
	useEffect(() => void getWebhook().then(setHook, () => setHook(null)), []);
	if (!hook) return null;
	const test = () => attempt(async () => setAnswer((await testWebhook()).answer));
	const last = answer ?? hook.last?.answer;
	return html`<div data-field="webhook">${hook.is_set ? html`<p>${t("webhook.set")} <code>${hook.address}</code> <button class="small" onClick=${test}>${t("webhook.test")}</button> ${last && html`<span class=${last === "taken" ? "good" : "bad"} role="status">${t(`webhook.${last}`)}</span>`}</p>`
		: html`<p class="soft"><${Words} text=${t("webhook.none")} /></p>`}${complaint}</div>`;
}

export const Terms = () => html`<${Sheet} id="terms" title=${t("terms")} kind="terms">
		<${Budgets} /><${Plans} /><${Limits} /><section><h3>${t("tell")}</h3><p class="soft">${t("tell.why")}</p><${Notify} /><${Webhook} /></section><//>`;
