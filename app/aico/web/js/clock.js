// One clock for the page: a signal per second and one per minute, stopped while nobody looks.
import { signal } from "../vendor/signals-core.js";
import { midnight } from "./period.js";

export const second = signal(Date.now());
export const minute = signal(Date.now());

export function tick() {
	const now = Date.now();
	second.value = now;
	if (Math.floor(now / 60_000) !== Math.floor(minute.value / 60_000)) minute.value = now;
}

export function startClock() {
	setInterval(() => {
		// A new day is noticed in the background too: the title names today.
		if (!document.hidden || midnight(Date.now()) !== midnight(minute.value)) tick();
	}, 1000);
}
