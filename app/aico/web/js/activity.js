// The use of apps, commands and sites: asked for while its section is open, never before.
import { effect, signal } from "../vendor/signals-core.js";
import { getActivity, putActivity } from "./api.js";
import { isOpen } from "./asked.js";
import { addDays, midnight, zone } from "./period.js";
import { period } from "./store.js";

const BURST_MS = 250;

export const activity = signal(null); // {today, period}: two answers of api/activity
export const activityProblem = signal(null); // code
let timer = null;
let last = 0;

async function read() {
	const mine = ++last;
	const now = Date.now();
	const today = { from: midnight(now), to: addDays(midnight(now), 1), tz: zone() };
	const { from, to } = period.value;
	try {
		const answers = await Promise.all([getActivity(today), getActivity({ from: from ?? 0, to: to ?? today.to })]);
		if (mine !== last) return;
		activity.value = { today: answers[0], period: answers[1] };
		activityProblem.value = null;
	} catch (error) {
		if (mine === last) activityProblem.value = error.code;
	}
}

export function readActivity() {
	if (!isOpen.value) return;
	clearTimeout(timer);
	timer = setTimeout(read, BURST_MS);
}

export async function switchKind(id, enabled) {
	try {
		await putActivity(id, { enabled });
	} catch (error) {
		activityProblem.value = error.code;
		return;
	}
	read();
}

// Also with each minute: a period ends now.
effect(() => {
	if (period.value && isOpen.value) readActivity();
});
