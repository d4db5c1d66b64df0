// The row that the keyboard stands on, by task: it stays on its task when rows move.
import { signal } from "../vendor/signals-core.js";

export const selected = signal(null);
