// What the dialog of prices asks and changes.
import { signal } from "../vendor/signals-core.js";
import { deleteCurrency, deletePrice, getCompared, getTried, putCurrency, putPrice } from "./api.js";
import { priceProblem, take } from "./prices.js";
import { readSources } from "./sources.js";
import { filterOf } from "./state.js";
import { shown } from "./store.js";

export const KINDS = ["input", "cache_read", "cache_write_5m", "cache_write_1h", "output"];

export const compared = signal([]); // what tools state beside the list, inside what is shown
export const tried = signal(null); // what the model that is typed would cost now

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
