// The numbers on the page: read with one filter, replaced together.
import { batch, computed, effect, signal } from "../vendor/signals-core.js";
import { getOverview, getSessions, getStatus, getSummary } from "./api.js";
import { minute, tick } from "./clock.js";
import { addDays, bucketFor, midnight, monthStart, windowOf, zone } from "./period.js";
import { slotOf, slotsOf } from "./slots.js";
import { about, sources } from "./sources.js";
import { embedded, filterOf, state } from "./state.js";
import { addBy, isPaidByPlan, isUnpriced, tokensOf } from "./sums.js";
import { plans } from "./terms.js";

export const PAGE = 100;
const KEPT_PAGES = 12;
const BURST_MS = 250; // several updates in a burst cost one read
const HIDDEN_MS = 30_000; // a hidden tab only keeps its title true
const RETRY_MS = 3000;
const FRESH_MS = 60_000;
const READINGS = 5;
const MINUTE = 60_000;
const NAMED = 8;

export const status = signal(null);
export const summary = signal(null);
export const before = signal(null); // the summary of the period before: the ghost on the chart
export const spending = signal(null); // this month day by day, of everything: budgets and the title
export const overview = signal(null); // today and this month, of everything, with any filter; not in a frame
export const shown = signal(null); // {state, window} of the numbers that are on the page
export const rows = signal({ total: 0, totals: null, pages: new Map() });
export const problem = signal(null); // code
export const loadedAt = signal(null);
export const loading = signal(false);
export const fresh = signal(new Map()); // key of a session -> until when it counts as new
export const announcement = signal("");
export const untold = new Map(); // key of a session -> revision of its event, until a screen reader has heard of it

export const period = computed(() => windowOf(state.value, minute.value));

/** Nothing in the filter has a price: the page turns to tokens. */
export const unpriced = computed(() => summary.value !== null && isUnpriced(summary.value.totals));

/** All of it is paid by plans: no bar has a cost. */
const isPaid = computed(() => plans.value.length > 0 && summary.value !== null && isPaidByPlan(summary.value.totals));
export const metric = computed(() => (unpriced.value || isPaid.value ? "tokens" : state.value.metric));

/** Of one tool only its models can be told apart. */
const isSingle = computed(() => state.value.source.length === 1 || sources.value.filter(({ sessions }) => sessions > 0).length < 2);
export const group = computed(() => state.value.group ?? (isSingle.value ? "model" : "source"));

const inside = ({ state, window: { from, to } }) => ({ ...filterOf(state), from, to });
export const usageFilter = computed(() => inside({ state: state.value, window: period.value }));

/** Two tools may call a session the same. */
export const keyOf = ({ source, session_id }) => `${source}/${session_id}`;

export const valueOf = (sum) => (metric.value === "cost" ? sum.cost_usd : tokensOf(sum));

/** The parts of chart and list, the weightiest first: {name, slot, sum}; and the others. */
export const groups = computed(() => {
	const { group } = shown.value;
	const found = addBy(summary.value.groups, group)
		.map(([name, sum]) => ({ name, sum, value: valueOf(sum) ?? -1, tokens: tokensOf(sum) ?? 0 }))
		.sort((a, b) => b.value - a.value || b.tokens - a.tokens);
	const names = found.slice(0, NAMED).map(({ name }) => name);
	// The first model of a tool has its colour, if nothing else has it.
	const toolOf = (name) => summary.value.groups.find(({ model }) => model === name).source;
	const slots = group !== "source" && slotsOf(group, names, group === "model" && ((name) => slotOf(toolOf(name))));
	const listed = found.map(({ name, sum }) => ({ name, sum, slot: slots ? (slots.get(name) ?? 0) : slotOf(name) }));
	return { named: listed.slice(0, NAMED), others: listed.slice(NAMED) };
});

const tz = zone();
let current = null; // the running read
let timer = null;
let lastRead = 0;
let beforeKey = "";
let wantedPages = [0];

function readPage(page, question, abort) {
	const { sort, order } = question.state;
	return getSessions({ ...inside(question), sort, order, fold: true, brief: true, limit: PAGE, offset: page * PAGE }, abort);
}

/** Sums of two moments do not agree. */
function isOneMoment([, ...answers]) {
	const sums = answers.flat().filter(Boolean);
	return sums.every(({ commit_seq }) => commit_seq === sums[0].commit_seq);
}

async function readAll(abort) {
	const window = period.value;
	const question = { state: state.value, window, group: group.value };
	const now = Date.now();
	const bucket = bucketFor(window);
	const filter = filterOf(state.value);
	const split = group.value;
	const by = split === "project" ? "source,model,project" : "source,model";
	const mine = embedded ? filter.source : []; // a frame speaks of what it shows
	const thisMonth = { source: mine, from: monthStart(now), to: addDays(midnight(now), 1), bucket: "day", by: "source", tz, brief: true };
	// The period before hardly changes: it is not read with every event.
	const key = JSON.stringify([window.before, filter, split, Math.floor(now / MINUTE)]);
	const needsBefore = window.before && key !== beforeKey;
	const ask = () => Promise.all([
		getStatus(abort),
		getSummary({ ...inside(question), bucket, tz, by, split, brief: true }, abort),
		Promise.all(wantedPages.map((page) => readPage(page, question, abort))),
		getSummary(thisMonth, abort),
		needsBefore ? getSummary({ ...filter, ...window.before, bucket, tz, by, split, brief: true }, abort) : null,
		embedded ? null : getOverview({ tz }, abort),
	]);
	let answers = await ask();
	for (let i = 1; i < READINGS && !isOneMoment(answers); i++) answers = await ask();
	const [newStatus, newSummary, pages, newSpending, newBefore, newOverview] = answers;
	beforeKey = key;
	batch(() => {
		status.value = embedded ? { ...newStatus, budget: { daily_usd: null, monthly_usd: null } } : newStatus; // a page of others shows no plans
		summary.value = newSummary;
		spending.value = newSpending;
		overview.value = newOverview;
		if (needsBefore || !window.before) before.value = newBefore;
		shown.value = question;
		const [{ total, totals }] = pages;
		// A session that is as before stays the same object.
		const known = new Map([...rows.value.pages.values()].flat().map((item) => [JSON.stringify(item), item]));
		const keep = (item) => known.get(JSON.stringify(item)) ?? item;
		rows.value = { total, totals, pages: new Map(pages.map((page) => [page.offset / PAGE, page.items.map(keep)])) };
		problem.value = null;
		loadedAt.value = Date.now();
		loading.value = false;
	});
	wantPages(wantedPages[0], wantedPages.at(-1)); // somebody may have scrolled while we read
}

function failed(error) {
	if (error.name === "AbortError") return;
	problem.value = error.code ?? "internal_error";
	loading.value = false;
	// When nobody answers, the socket says when somebody does.
	if (!["unreachable", "token_required"].includes(problem.value)) timer ??= setTimeout(readNow, RETRY_MS);
	if (!error.code) throw error; // a bug of this page: the console must show it
}

export async function readNow() {
	clearTimeout(timer);
	timer = null;
	current?.abort();
	const mine = new AbortController();
	current = mine;
	lastRead = Date.now();
	tick();
	await readAll(mine.signal).catch(failed);
	if (current === mine) current = null;
}

/** At once after a quiet time, else when the burst is over; never two reads at a time. */
export function readSoon() {
	if (timer !== null) return;
	const due = () => {
		if (current) timer = setTimeout(due, 50);
		else readNow();
	};
	timer = setTimeout(due, Math.max(0, lastRead + (document.hidden ? HIDDEN_MS : BURST_MS) - Date.now()));
}

export async function wantPages(first, last) {
	wantedPages = Array.from({ length: last - first + 1 }, (_, i) => first + i);
	const missing = wantedPages.filter((page) => !rows.value.pages.has(page));
	const question = shown.value;
	if (missing.length === 0) return;
	for (const page of missing) rows.value.pages.set(page, []); // asked once
	try {
		const read = await Promise.all(missing.map((page) => readPage(page, question)));
		if (shown.value !== question) return;
		if (read.some(({ commit_seq }) => commit_seq !== summary.value.commit_seq)) {
			readSoon(); // rows of another moment are not put beside these
			return;
		}
		const pages = new Map(rows.value.pages);
		for (const page of read) pages.set(page.offset / PAGE, page.items);
		for (const page of pages.keys()) {
			if (pages.size > KEPT_PAGES && Math.abs(page - wantedPages[0]) > 4) pages.delete(page);
		}
		rows.value = { ...rows.value, pages };
	} catch (error) {
		if (shown.value === question) for (const page of missing) rows.value.pages.delete(page);
		failed(error);
	}
}

/** The rows of an event; their numbers are read after it. */
export function markFresh(items, revision) {
	const now = Date.now();
	const { source } = state.value;
	const mine = items.filter((item) => source.length === 0 || source.includes(item.source));
	for (const item of mine) untold.set(keyOf(item), revision);
	const young = [...fresh.value].filter(([, until]) => until > now);
	fresh.value = new Map([...young, ...mine.map(({ source, session_id, parent }) => [keyOf({ source, session_id: parent || session_id }), now + FRESH_MS])]);
}

/** Another filter or day is another question. */
export function startReading() {
	let asked = "";
	effect(() => {
		if (about.value === null) return; // whether one tool or several are told apart is not known yet
		const { sort, order } = state.value;
		const question = JSON.stringify([usageFilter.value, group.value, sort, order]);
		if (question === asked) return;
		asked = question;
		wantedPages = [0];
		loading.value = true;
		readNow();
	});
	document.addEventListener("visibilitychange", () => {
		if (document.hidden) return;
		clearTimeout(timer);
		timer = null;
		readSoon();
	});
}
