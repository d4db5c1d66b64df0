// Whether the section of activity is open; what it asks and shows is loaded with it.
import { signal } from "../vendor/signals-core.js";
import { keep, recall } from "./stored.js";

const STORED = "activity";

export const isOpen = signal(recall(STORED) === "open");

export function openActivity(wanted) {
	if (wanted === isOpen.value) return;
	isOpen.value = wanted;
	keep(STORED, wanted ? "open" : "closed");
}

export const readActivity = async () => isOpen.value && (await import("./activity.js")).readActivity();
