// The task whose row the keyboard stands on.
import { signal } from "../vendor/signals-core.js";

export const selected = signal(null);
