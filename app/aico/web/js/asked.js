// The thing that a user points at or opens; its code is loaded with the first wish.
import { effect, signal } from "../vendor/signals-core.js";
import { keep, recall } from "./stored.js";

export const selected = signal(null); // what the keyboard stands on: key of a session
export const hovered = signal(null); // what the pointer is over: {name} of a source or model in the list

export const asked = signal(null); // {source, session_id, offset}
export const openSession = ({ source, session_id }) => (asked.value = { source, session_id, offset: 0 });

/** The panel of ./ui/session.js, once it is there. */
export const panel = signal(null);
effect(() => {
	if (asked.value && !panel.peek()) import("./ui/session.js").then(({ SessionPanel }) => (panel.value = SessionPanel));
});

const STORED = "activity";

/** True if the section of activity is open. */
export const isOpen = signal(recall(STORED) === "open");

export function openActivity(wanted) {
	if (wanted === isOpen.value) return;
	isOpen.value = wanted;
	keep(STORED, wanted ? "open" : "closed");
}

export const readActivity = async () => isOpen.value && (await import("./activity.js")).readActivity();
