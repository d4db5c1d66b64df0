// Budgets, plans and limits: how they stand, and the notification of a budget that is reached, once in this browser.
import { batch, effect, signal } from "../vendor/signals-core.js";
import { getBudgets, getLimits, getPlans } from "./api.js";
import { minute } from "./clock.js";
import { embedded } from "./state.js";
import { keep, recall } from "./stored.js";

const PAUSE_MS = 2000; // a burst of updates costs one reading
export const STORED = "notify"; // whether this browser tells of budgets
const TOLD = "told";
const TOLD_MAX = 200;

export const budgets = signal(null); // the answers of the service; null before the first
export const plans = signal([]);
export const limits = signal([]);
export const notifying = signal(recall(STORED) === "on");

const known = () => new Set((recall(TOLD) ?? "").split(" ").filter(Boolean));
const remember = (ids) => keep(TOLD, [...ids].slice(-TOLD_MAX).join(" "));

/** "granted", "denied", "default"; null where the browser has no notifications for this page. */
export const permission = () => (globalThis.isSecureContext && globalThis.Notification?.permission) || null;

/** A reached limit is told once, also if the page was closed meanwhile; while nobody wants it, it counts as told. */
function notify(all) {
	const ids = known();
	const fresh = all.filter(({ told }) => told.some(({ id }) => !ids.has(id)));
	if (fresh.length === 0) return;
	for (const { told } of fresh) for (const { id } of told) ids.add(id);
	remember(ids);
	if (notifying.value && permission() === "granted") import("./notify.js").then(({ tell }) => fresh.forEach(tell));
}

let timer = null;
let lastRead = 0;

export async function readTerms() {
	if (embedded) return;
	clearTimeout(timer);
	timer = null;
	lastRead = Date.now();
	const mine = (readTerms.last = Promise.all([getBudgets(), getPlans(), getLimits()]));
	try {
		const [newBudgets, newPlans, newLimits] = await mine;
		if (mine !== readTerms.last) return;
		batch(() => {
			budgets.value = newBudgets;
			plans.value = newPlans;
			limits.value = newLimits;
		});
		notify(newBudgets);
	} catch (error) {
		if (!error.code) throw error; // what the service says of itself stands in the head
	}
}

export function readTermsSoon() {
	timer ??= setTimeout(readTerms, Math.max(0, lastRead + PAUSE_MS - Date.now()));
}

/** A window begins anew, and the last hour moves on, without any message. */
export function startTerms() {
	effect(() => minute.value && readTermsSoon());
}
