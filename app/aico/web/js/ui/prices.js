// The user's own prices; the models without any; and what tools record beside the list.
import { useLayoutEffect, useRef } from "../../vendor/preact-hooks.js";
import { signal } from "../../vendor/signals-core.js";
import { deleteCurrency, deletePrice, getCompared, getPrices, getTried, putCurrency, putPrice } from "../api.js";
import { share } from "../format.js";
import { locale, t } from "../i18n.js";
import { priceProblem, prices, pricing, readPrices, take, wanted } from "../prices.js";
import { slotOf } from "../slots.js";
import { readSources } from "../sources.js";
import { filterOf } from "../state.js";
import { shown, summary } from "../store.js";
import { tokensOf } from "../sums.js";
import { plans } from "../terms.js";
import { dayText } from "./filters.js";
import { Complaint, Loading, ModelName, Money, Swatch, Tokens, currency, exact, html, titleOf, whole } from "./parts.js";
import { Wished, once } from "./sheet.js";

const KINDS = ["input", "cache_read", "cache_write_5m", "cache_write_1h", "output"];

const compared = signal([]); // what tools state beside the list, inside what is shown
const tried = signal(null); // what the model that is typed would cost now

/** The currency of amounts; without a body, US dollars again. */
async function setCurrency(body) {
	await take((body ? putCurrency(body) : deleteCurrency()).then(getPrices));
	readSources();
}

async function readCompared() {
	const { state, window: { from, to } } = shown.value;
	compared.value = await getCompared({ ...filterOf(state), from, to }).catch(() => []);
}

/** The answer to the last name that was typed. */
async function tryPrice(model) {
	tried.value = null;
	const asked = (tryPrice.last = model.trim());
	const answer = asked && !asked.includes("*") ? await getTried(asked).catch(() => null) : null;
	if (tryPrice.last === asked) tried.value = answer;
}

const rates = (price) => KINDS.filter((kind) => price[kind] !== null).map((kind) => `${t(`price.${kind}`)} ${exact(price[kind])}`).join(" · ");

function Listed() {
	if (prices.value.length === 0) return html`<p class="soft">${t("price.none")}</p>`;
	return html`<ul class="own">${prices.value.map((price) => html`<li key=${price.model + price.valid_from}><div><${ModelName} id=${price.model} /> <span class="soft">${price.valid_from ? t("price.since", { day: price.valid_from }) : ""}</span>
		<p class="soft">${rates(price)}</p></div>
		${price.fixed ? html`<span class="tag" title=${t("code.price_fixed")}>${t("price.fixed")}</span>` : html`<button class="quiet" onClick=${once(() => take(deletePrice(price.model, price.valid_from ?? "")))} aria-label=${t("price.remove.one", { model: price.model })}>${t("price.remove")}</button>`}</li>`)}</ul>`;
}

/** Models without a price in what is shown. */
function unpriced() {
	const found = new Map();
	for (const group of summary.value.groups) {
		if (group.unpriced_requests > 0 && group.model !== null) found.set(group.model, (found.get(group.model) ?? 0) + (tokensOf(group) ?? 0));
	}
	return [...found].sort((one, other) => other[1] - one[1]).slice(0, 8);
}

function Unpriced({ choose }) {
	const models = unpriced();
	if (models.length === 0) return null;
	return html`<div class="unpriced"><h3>${t("price.unpriced")}</h3><p class="buttons">${models.map(([model, n]) => html`<button class="small" key=${model} onClick=${() => choose(model)}>${model} <span class="soft"><${Tokens} n=${n} /></span></button>`)}</p></div>`;
}

function Tried() {
	const answer = tried.value;
	if (!answer) return null;
	const { basis, own, listed, reason } = answer;
	const why = own ? t("price.tried.own", { model: own.model }) : listed ? t("price.tried.listed", { entry: listed.listed_as, list: listed.price_list }) : t(`price.tried.${reason}`);
	return html`<p class="tried soft" data-basis=${basis} aria-live="polite">${why}${(own ?? listed) && html`<br />${rates(own ?? listed)}`}${!own && listed?.tiers.length > 0 && ` · ${t("price.tiers")}`}</p>`;
}

const NEEDED = ["input", "output"];

function Form() {
	const form = useRef(null);
	const fill = (model) => {
		form.current.elements.model.value = model;
		tryPrice(model);
	};
	const choose = (model) => {
		fill(model);
		form.current.elements.input.focus();
	};
	// Before anybody can type.
	useLayoutEffect(() => {
		form.current.reset();
		fill(wanted.value.model);
		readPrices();
		readCompared();
	}, [wanted.value]);
	const submit = async (event) => {
		event.preventDefault();
		const fields = () => form.current && JSON.stringify([...new FormData(form.current)]);
		const sent = fields();
		const given = Object.fromEntries(JSON.parse(sent));
		const amounts = KINDS.filter((kind) => given[kind] !== "").map((kind) => [kind, given[kind]]);
		if (await take(putPrice(given.model, { ...Object.fromEntries(amounts), valid_from: given.valid_from || null })) && fields() === sent) {
			form.current.reset();
			tryPrice("");
		}
	};
	return html`<${Unpriced} choose=${choose} /><form ref=${form} onSubmit=${submit}><h3>${t("price.set")} <span class="soft">${t("price.unit")}</span></h3>
		<label class="wide">${t("price.model")}<input name="model" required maxlength="200" autocomplete="off" spellcheck="false" placeholder="glm-5*" onChange=${({ target }) => tryPrice(target.value)} /></label>
		<${Tried} />
		<div class="fields">${KINDS.map((kind) => html`<label>${t(`price.${kind}`)}<input name=${kind} type="number" inputmode="decimal" min="0" max="1000000" step="any" required=${NEEDED.includes(kind)} placeholder=${NEEDED.includes(kind) ? "" : t(kind === "cache_write_1h" ? "price.same.write" : "price.same")} /></label>`)}
			<label>${t("price.from")}<input name="valid_from" type="date" min="1970-01-01" /></label></div>
		<p class="buttons"><button class="small main" type="submit">${t("price.save")}</button></p></form>`;
}

function Compared() {
	const known = compared.value.filter(({ requests }) => requests > 0);
	if (known.length === 0) return null;
	return html`<div class="compared"><h3>${t("price.compared")}</h3><p class="soft">${t("price.compared.why")}</p><table><thead><tr>${["model", "requests", "recorded", "list", "difference"].map((name) => html`<th scope="col">${t(`price.col.${name}`)}</th>`)}</tr></thead>
		<tbody>${known.map((each) => html`<tr key=${each.source + each.model}><th scope="row"><${Swatch} slot=${slotOf(each.source)} /><span class="soft">${titleOf(each.source)}</span> <${ModelName} id=${each.model} /></th>
			<td>${whole(each.requests)}</td><td><${Money} usd=${each.recorded_cost_usd} /></td><td><${Money} usd=${each.list_cost_usd} /></td><td><${Money} usd=${each.difference_usd} /></td></tr>`)}</tbody></table></div>`;
}

/** Amounts stay in US dollars; they are shown at the user's own rate. */
function Shown() {
	const { code, per_usd: rate, as_of: day, fixed } = currency.value ?? {};
	const submit = (event) => {
		event.preventDefault();
		const given = Object.fromEntries(new FormData(event.target));
		setCurrency({ ...given, code: given.code.toUpperCase() });
	};
	return html`<form class="shown" key=${`${code}${rate}${day}`} onSubmit=${submit}><h3>${t("currency.title")}</h3><p class="soft">${t("currency.why")}</p>
		<fieldset class="fields" disabled=${fixed}><label>${t("currency.code")}<input name="code" required pattern="[A-Za-z]{3}" maxlength="3" autocomplete="off" placeholder="EUR" defaultValue=${code} /></label>
			<label>${t("currency.rate")}<input name="per_usd" type="number" inputmode="decimal" required min="0" max="1000000" step="any" placeholder="0.92" defaultValue=${rate} /></label>
			<label>${t("currency.day")}<input name="as_of" type="date" required min="1970-01-01" defaultValue=${day ?? dayText(Date.now())} /></label></fieldset>
		${fixed ? html`<p class="soft">${t("code.price_fixed")}</p>` : html`<p class="buttons"><button class="small" type="submit">${t("currency.show")}</button>
			${code && html`<button class="quiet" type="button" onClick=${() => setCurrency(null)}>${t("currency.dollars")}</button>`}</p>`}</form>`;
}

export function Prices() {
	return html`<${Wished} wish=${wanted} id="prices" title=${t("price.title")}>
		${wanted.value && (summary.value ? html`
			<p class="soft">${t("price.intro")}${plans.value.length > 0 && html` <b data-field="beside">${t("price.plan", { names: plans.value.map(({ source }) => titleOf(source)).join(", ") })}</b>`}</p>
			${pricing.value !== null && html`<p class="pricing" role="status"><progress max="1" value=${pricing.value}></progress> ${t("price.going", { share: share(pricing.value, 1, locale.value) })}</p>`}
			<${Complaint} code=${priceProblem.value} />
			<${Listed} /><${Form} /><${Compared} /><${Shown} />` : html`<${Loading} />`)}<//>`;
}
