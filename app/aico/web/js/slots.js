// Colours: a tool keeps its own for good, models take those that are free and keep them.
import { computed } from "../vendor/signals-core.js";
import { sources } from "./sources.js";
import { keep, recall } from "./stored.js";

const SLOTS = [1, 2, 3, 4, 5, 6, 7, 8];
const OWN = ["claude-code", "codex", "gemini-cli", "cline", "opencode", "qwen-code", "copilot-cli", "kilo"];
const kept = { source: read("source"), model: read("model"), project: read("project") };

function read(group) {
	try {
		return new Map(JSON.parse(recall(`slots.${group}`)));
	} catch {
		return new Map();
	}
}

/** The slots of `names`, the weightiest first: a map to 1 to 8, or to 0 for what stands among the others. */
export function slotsOf(group, names, wish) {
	const known = kept[group];
	const shown = new Map();
	const taken = new Set();
	const take = (name, slot) => {
		if (shown.has(name) || !slot || taken.has(slot)) return;
		shown.set(name, slot);
		taken.add(slot);
	};
	if (group === "source") for (const name of names) take(name, OWN.indexOf(name) + 1);
	for (const name of names) take(name, known.get(name));
	if (wish) for (const name of names) take(name, wish(name));
	for (const name of names) take(name, SLOTS.find((slot) => !taken.has(slot)));
	const before = JSON.stringify([...known]);
	for (const [name, slot] of shown) known.set(name, slot);
	if (JSON.stringify([...known]) !== before) keep(`slots.${group}`, JSON.stringify([...known]));
	for (const name of names) if (!shown.has(name)) shown.set(name, 0);
	return shown;
}

const sourceSlots = computed(() => slotsOf("source", sources.value.filter(({ sessions }) => sessions > 0).map(({ id }) => id)));

/** A source is of one colour wherever it stands. */
export const slotOf = (id) => sourceSlots.value.get(id) ?? OWN.indexOf(id) + 1;
