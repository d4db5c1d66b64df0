// The user's own prices, and how far they were brought to what is stored.
import { computed, signal } from "../vendor/signals-core.js";
import { deleteCurrency, deletePrice, getCompared, getPrices, getTried, putCurrency, putPrice } from "./api.js";
import { about, readSources } from "./sources.js";
import { filterOf } from "./state.js";
import { shown } from "./store.js";

export const KINDS = ["input", "cache_read", "cache_write_5m", "cache_write_1h", "output"];

export const prices = signal([]);
export const compared = signal([]); // what tools state beside the list, inside what is shown
export const tried = signal(null); // what the model that is typed would cost now
export const priceProblem = signal(null); // a code
export const wanted = signal(null); // {model}: for whom the dialog was opened
export const Dialog = signal(null); // its part of the page, which is loaded when somebody wants it
const told = signal(null); // {done, total}, by the socket

export async function openPrices(model = "") {
	Dialog.value ??= (await import("./ui/prices.js")).Prices;
	wanted.value = { model };
}

/** 0 to 1; null while all that is stored has them. */
export const pricing = computed(() => {
	const { done, total } = about.value?.pricing ? (told.value ?? about.value.pricing) : {};
	return total > 0 ? Math.min(1, done / total) : null;
});

export const notePricing = (progress) => (told.value = progress);

async function take(answer) {
	try {
		prices.value = await answer;
		priceProblem.value = null;
	} catch (error) {
		priceProblem.value = error.code ?? "internal_error";
		if (!error.code) throw error;
	}
	return priceProblem.value === null;
}

export const readPrices = () => take(getPrices());
export const setPrice = (model, body) => take(putPrice(model, body));
export const removePrice = ({ model, valid_from }) => take(deletePrice(model, valid_from ?? ""));

/** What amounts are shown in; without a body, US dollars again. */
export async function setCurrency(body) {
	try {
		await (body ? putCurrency(body) : deleteCurrency());
		priceProblem.value = null;
	} catch (error) {
		priceProblem.value = error.code ?? "internal_error";
		if (!error.code) throw error;
	}
	readSources();
}

export async function readCompared() {
	const { state, window: { from, to } } = shown.value;
	compared.value = await getCompared({ ...filterOf(state), from, to }).catch(() => []);
}

/** The answer to the last name that was typed. */
export async function tryPrice(model) {
	tried.value = null;
	const asked = (tryPrice.last = model.trim());
	const answer = asked && !asked.includes("*") ? await getTried(asked).catch(() => null) : null;
	if (tryPrice.last === asked) tried.value = answer;
}
