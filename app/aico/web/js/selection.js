// What the keyboard stands on, and what the pointer is over.
import { signal } from "../vendor/signals-core.js";

export const selected = signal(null); // key of a session
export const hovered = signal(null); // {name} of a source or model in the list
