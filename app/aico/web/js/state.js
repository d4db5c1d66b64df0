// The page's state, as a value that the address bar holds.
import { computed, signal } from "../vendor/signals-core.js";
import { query } from "./api.js";
import { PERIODS } from "./period.js";

export const COLUMNS = ["started_at", "source", "model", "last_at", "input_tokens", "cache_read_tokens", "output_tokens", "cost_usd"];

export const embedded = "embedded" in document.documentElement.dataset;

const FIRST = {
	source: embedded ? ["cline"] : [], // ids; none: every source, in the address of a frame "all"
	period: "7d",
	from: null, // only for "custom"
	to: null,
	model: [], // exact names
	project: [], // likewise
	unknown_model: false, // what was spent on an unknown model
	q: "",
	metric: "cost",
	group: null, // what chart and list tell apart; null: what there is more of than one
	chart: "bars",
	table: false, // the chart as a table
	sort: "last_at",
	order: "desc",
	statement: null, // a month, "2026-11", whose statement stands in the place of the numbers
	rows: false, // with its sessions
};
const CHOICES = {
	period: [...PERIODS, "custom"],
	metric: ["cost", "tokens"],
	group: ["source", "model", ...(embedded ? [] : ["project"])],
	chart: ["cumulative", "bars"],
	sort: COLUMNS,
	order: ["asc", "desc"],
};

function read() {
	const given = new URLSearchParams(location.search);
	const [model, project] = ["model", "project"].map((name) => given.getAll(name).filter(Boolean));
	const state = { ...FIRST, model, project, q: given.get("q") ?? "" };
	if (given.has("source")) state.source = given.getAll("source").filter((id) => !["", "all"].includes(id));
	for (const [name, allowed] of Object.entries(CHOICES)) {
		if (allowed.includes(given.get(name))) state[name] = given.get(name);
	}
	if (!embedded && /^\d{4}-\d\d$/.test(given.get("statement"))) state.statement = given.get("statement");
	for (const name of ["unknown_model", "table", "rows"]) state[name] = given.get(name) === "true";
	if (state.unknown_model) state.model = [];
	if (state.period === "custom") {
		state.from = Number.parseInt(given.get("from"), 10);
		state.to = Number.parseInt(given.get("to"), 10);
		if (!(state.from < state.to)) Object.assign(state, { period: FIRST.period, from: null, to: null });
	}
	return state;
}

function written({ source, ...state }) {
	const changed = Object.entries(state).filter(([name, value]) => String(value) !== String(FIRST[name]));
	const sources = String(source) === String(FIRST.source) ? [] : source.length ? source : ["all"];
	return `${location.pathname}?${query({ source: sources, ...Object.fromEntries(changed) })}`;
}

export const state = signal(read());

/** Only Cline is shown: the section that Kimi Proxy's users know. */
export const isCline = computed(() => String(state.value.source) === "cline");

/** Change what is shown: a step for "back", except what is typed letter by letter. */
export function show(patch, { replace = false } = {}) {
	const next = { ...state.value, ...patch };
	if (written(next) === written(state.value)) return;
	history[replace ? "replaceState" : "pushState"](null, "", written(next));
	state.value = next;
}

export const choosePeriod = (period) => show({ period, from: null, to: null });
export const chooseRange = (from, to) => show({ period: "custom", from, to });
export const chooseModels = (model) => show({ model, unknown_model: false });
export const showAll = () => show({ ...FIRST, period: "all" });

const toggled = (chosen, one, isMore) => (chosen.includes(one) ? chosen.filter((other) => other !== one) : isMore ? [...chosen, one] : [one]);

export const isChosen = (group, name) =>
	group === "model" && name === null ? state.value.unknown_model : state.value[group].includes(name);

/** Choose one source, model or project, beside others if asked; chosen once more, it is taken back. */
export function choose(group, name, isMore = false) {
	if (group === "source") show({ source: toggled(state.value.source, name, isMore), group: null });
	else if (group === "project") show({ project: toggled(state.value.project, name, isMore) });
	else if (name !== null) chooseModels(toggled(state.value.model, name, isMore));
	else if (state.value.unknown_model) chooseModels([]);
	else show({ model: [], unknown_model: true });
}

export function chooseSort(sort) {
	const turned = state.value.order === "asc" ? "desc" : "asc";
	show({ sort, order: state.value.sort === sort ? turned : ["source", "model"].includes(sort) ? "asc" : "desc" });
}

export const filterOf = ({ source, model, project, unknown_model, q }) => ({ source, model, project, unknown_model: unknown_model || null, q: q.trim() });

export const isNarrowed = ({ source, model, project, unknown_model, q }) => source.length + model.length + project.length > 0 || unknown_model || q.trim() !== "";

addEventListener("popstate", () => {
	state.value = read();
});
