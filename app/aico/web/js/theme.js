// Dark, light or what the system says; and what that is, for the chart.
import { computed, effect, signal } from "../vendor/signals-core.js";
import { keep, recall } from "./stored.js";

const THEMES = ["auto", "light", "dark"];
const STORED = "theme";
const system = matchMedia("(prefers-color-scheme: dark)");
const systemDark = signal(system.matches);
const paper = matchMedia("print");
export const onPaper = signal(paper.matches);

export const theme = signal(THEMES.find((name) => name === recall(STORED)) ?? "auto");
const chosen = computed(() => (theme.value === "auto" ? (systemDark.value ? "dark" : "light") : theme.value));
export const painted = computed(() => (onPaper.value ? "light" : chosen.value));

export function nextTheme() {
	theme.value = THEMES[(THEMES.indexOf(theme.value) + 1) % THEMES.length];
	keep(STORED, theme.value);
}

export function startTheme() {
	system.addEventListener("change", ({ matches }) => (systemDark.value = matches));
	paper.addEventListener("change", ({ matches }) => (onPaper.value = matches));
	effect(() => void (document.documentElement.dataset.theme = theme.value));
}

/** A colour as the canvas needs it: the variable itself still says light-dark(…). */
export function color(name) {
	const probe = document.body;
	probe.style.outlineColor = `var(--${name})`;
	const value = getComputedStyle(probe).outlineColor;
	probe.style.outlineColor = "";
	return value;
}
