// What the page shows, as a value that the address bar holds.
import { computed, signal } from "../vendor/signals-core.js";
import { PERIODS } from "./period.js";

export const COLUMNS = ["task_id", "ts", "model_id", "tokens_in", "tokens_out", "total_cost"];

export const embedded = "embedded" in document.documentElement.dataset;

const FIRST = {
	source: embedded ? ["cline"] : [], // ids; none: every source, in the address of a frame "all"
	period: "7d",
	from: null, // only for "custom"
	to: null,
	model: null, // exact name
	unknown_model: false, // the tasks whose model is unknown
	q: "",
	store: null, // read where
	metric: "cost",
	chart: "cumulative",
	table: false, // the chart as a table
	sort: "ts",
	order: "desc",
};
const CHOICES = {
	period: [...PERIODS, "custom"],
	metric: ["cost", "tokens"],
	store: ["ledger", "sessions", "hub"],
	chart: ["cumulative", "bars"],
	sort: COLUMNS,
	order: ["asc", "desc"],
};

function read() {
	const given = new URLSearchParams(location.search);
	const state = { ...FIRST, model: given.get("model"), q: given.get("q") ?? "" };
	if (given.has("source")) state.source = given.getAll("source").filter((id) => !["", "all"].includes(id));
	for (const [name, allowed] of Object.entries(CHOICES)) {
		if (allowed.includes(given.get(name))) state[name] = given.get(name);
	}
	for (const name of ["unknown_model", "table"]) state[name] = given.get(name) === "true";
	if (state.period === "custom") {
		state.from = Number.parseInt(given.get("from"), 10);
		state.to = Number.parseInt(given.get("to"), 10);
		if (!(state.from < state.to)) Object.assign(state, { period: FIRST.period, from: null, to: null });
	}
	return state;
}

function written({ source, ...state }) {
	const changed = Object.entries(state).filter(([name, value]) => value !== FIRST[name]);
	const sources = String(source) === String(FIRST.source) ? [] : source.length ? source : ["all"];
	return `${location.pathname}?${new URLSearchParams([...sources.map((id) => ["source", id]), ...changed.filter(([, value]) => (value ?? "") !== "")])}`;
}

export const state = signal(read());

/** What is shown is Cline's alone. */
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
export const chooseModel = (model) => show({ model, unknown_model: model === null });
export const clearModel = () => show({ model: null, unknown_model: false });
export const chooseSources = (source) => show({ source });
export const chooseStore = (store) => show({ store });
export const showAll = () => show({ ...FIRST, period: "all" });

export function chooseSort(sort) {
	const turned = state.value.order === "asc" ? "desc" : "asc";
	show({ sort, order: state.value.sort === sort ? turned : sort.endsWith("_id") ? "asc" : "desc" });
}

export const filterOf = ({ model, unknown_model, q, store }) => ({ model, unknown_model: unknown_model || null, q: q.trim(), store });

export const isNarrowed = (state) => Object.values(filterOf(state)).some(Boolean);

addEventListener("popstate", () => {
	state.value = read();
});
