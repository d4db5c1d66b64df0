// The user's own prices, and how far they were brought to what is stored.
import { computed, signal } from "../vendor/signals-core.js";
import { getPrices } from "./api.js";
import { about } from "./sources.js";

export const prices = signal([]);
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

export async function take(answer) {
	try {
		const list = await (take.last = answer);
		if (take.last === answer) prices.value = list;
		priceProblem.value = null;
		return list;
	} catch (error) {
		priceProblem.value = error.code ?? "internal_error";
		if (!error.code) throw error;
	}
}

export const readPrices = () => take(getPrices());
