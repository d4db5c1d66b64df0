// Single keys, unless somebody types, holds a modifier, or has switched them off.
import { signal } from "../vendor/signals-core.js";
import { selected } from "./asked.js";
import { locale } from "./i18n.js";
import { PERIODS } from "./period.js";
import { importNow } from "./sources.js";
import { choosePeriod } from "./state.js";
import { keyOf } from "./store.js";
import { keep, recall } from "./stored.js";
import { copyText } from "./ui/parts.js";

const STORED = "keys";

export const keysOn = signal(recall(STORED) !== "off");

export function useKeys(isOn) {
	keysOn.value = isOn;
	keep(STORED, isOn ? "on" : "off");
}

/** The map of the keys, of ./ui/help.js, once somebody has asked for it. */
export const help = signal(null);

export async function openHelp() {
	help.value ??= (await import("./ui/help.js")).Help;
	requestAnimationFrame(() => document.getElementById("help")?.showModal());
}

const keyOfRow = ({ dataset: { tool, task } }) => keyOf({ source: tool, session_id: task });

function move(step) {
	const all = [...document.querySelectorAll("tr[data-task]")];
	const fold = document.querySelector("#tasks thead")?.getBoundingClientRect().bottom;
	const place = all.findIndex((row) => keyOfRow(row) === selected.value);
	const first = all.findIndex((row) => row.getBoundingClientRect().top >= fold - 1);
	const next = all[place < 0 ? first : Math.max(0, Math.min(all.length - 1, place + step))];
	if (!next) return;
	selected.value = keyOfRow(next);
	next.focus({ preventScroll: true });
	next.scrollIntoView({ block: "nearest" });
}

const KEYS = {
	"/": () => document.getElementById("filter")?.focus(),
	r: importNow,
	j: () => move(1),
	k: () => move(-1),
	c: () => selected.value && copyText(selected.value.slice(selected.value.indexOf("/") + 1)),
	e: () => (document.querySelector(".export .excel-fr") ?? document.querySelector(".export .csv"))?.click(),
	"?": openHelp,
	8() {
		const custom = document.querySelector(".custom");
		if (!custom) return;
		custom.open = true;
		custom.querySelector("input").focus();
	},
};
PERIODS.forEach((period, index) => {
	KEYS[index + 1] = () => choosePeriod(period);
});

const popovers = () => document.querySelectorAll("details.popover[open]");

function pressed(event) {
	const { key, target } = event;
	const dialog = document.querySelector("dialog:modal");
	if (key === "Enter" && target.matches?.("tr[data-task]")) target.querySelector(".open").click();
	else if (key === "Escape" && !dialog) {
		if (target.id === "filter") target.blur();
		for (const open of popovers()) {
			open.open = false;
			open.querySelector("summary").focus();
		}
	} else if (keysOn.value && !dialog && !target.closest?.("input, select") && !(event.ctrlKey || event.metaKey || event.altKey) && Object.hasOwn(KEYS, key)) {
		event.preventDefault();
		KEYS[key]();
	}
}

export function startKeys() {
	addEventListener("keydown", pressed);
	addEventListener("pointerdown", ({ target }) => {
		for (const open of popovers()) open.open = open.contains(target); // closed when the attention goes elsewhere
	});
}

// In a field of numbers a browser of another language drops a French comma: 0,14 would be 14.
addEventListener("beforeinput", (event) => {
	const typed = event.data ?? event.dataTransfer?.getData("text");
	if (event.target.type !== "number" || !locale.value.startsWith("fr") || !typed?.includes(",")) return;
	event.preventDefault();
	document.execCommand("insertText", false, typed.replace(",", "."));
});
