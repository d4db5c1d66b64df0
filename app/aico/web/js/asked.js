// The session that somebody wants to see; what shows it is loaded with the first one.
import { effect, signal } from "../vendor/signals-core.js";

export const asked = signal(null); // {source, session_id, offset}
export const openSession = ({ source, session_id }) => (asked.value = { source, session_id, offset: 0 });

/** The panel of ./ui/session.js, once it is there. */
export const panel = signal(null);
effect(() => {
	if (asked.value && !panel.peek()) import("./ui/session.js").then(({ SessionPanel }) => (panel.value = SessionPanel));
});
