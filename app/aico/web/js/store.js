// The numbers on the page: read with one filter, replaced together.
import { batch, computed, effect, signal } from "../vendor/signals-core.js";
import { getStatus, getSummary, getUsage } from "./api.js";
import { minute, tick } from "./clock.js";
import { addDays, bucketFor, midnight, monthStart, windowOf, zone } from "./period.js";
import { embedded, filterOf, isNarrowed, state } from "./state.js";

export const PAGE = 100;
const KEPT_PAGES = 12;
const BURST_MS = 250; // several updates in a burst cost one read
const HIDDEN_MS = 30_000; // a hidden tab only keeps its title true
const RETRY_MS = 3000;
const FRESH_MS = 60_000;
const READINGS = 5;
const MINUTE = 60_000;

export const status = signal(null);
export const summary = signal(null);
export const before = signal(null); // the summary of the period before: the ghost on the chart
export const month = signal(null); // this month day by day, in the filter: today's cost, pace
export const spending = signal(null); // the same of everything: budgets and the title
export const shown = signal(null); // {state, window} of the numbers that are on the page
export const rows = signal({ total: 0, totals: null, pages: new Map() });
export const problem = signal(null); // code
export const loadedAt = signal(null);
export const loading = signal(false);
export const fresh = signal(new Map()); // task id -> until when it counts as new
export const announcement = signal("");
export const untold = new Map(); // task id -> revision of its event, until a screen reader has heard of it

export const period = computed(() => windowOf(state.value, minute.value));

/** Nothing in the filter has a price: the page turns to tokens. */
export const unpriced = computed(() => {
	const { total_cost: cost, unpriced_task_count: without } = summary.value?.totals ?? {};
	return cost === 0 && without > 0;
});
export const metric = computed(() => (unpriced.value ? "tokens" : state.value.metric));

const inside = ({ state, window: { from, to } }) => ({ ...filterOf(state), from, to });
export const usageFilter = computed(() => inside({ state: state.value, window: period.value }));

const tz = zone();
let current = null; // the running read
let timer = null;
let lastRead = 0;
let beforeKey = "";
let wantedPages = [0];

/** What is not known is no 0: it is left out. */
export function known(sum) {
	const { tokens_in, tokens_out, total_cost, ...others } = sum;
	return sum.unmeasured_count > 0 && tokens_in + tokens_out + total_cost === 0 ? others : sum;
}

async function readSummary(...question) {
	const answer = await getSummary(...question);
	return { ...answer, totals: known(answer.totals), by_model: answer.by_model.map(known) };
}

async function readPage(page, question, abort) {
	const { sort, order } = question.state;
	const answer = await getUsage({ ...inside(question), sort, order, limit: PAGE, offset: page * PAGE }, abort);
	for (const task of answer.items) {
		for (const name of task.unstated) delete task[name], delete task.spent[name];
	}
	return { ...answer, totals: known(answer.totals) };
}

/** Sums of two moments do not agree. */
function isOneMoment([, ...answers]) {
	const sums = answers.flat().filter(Boolean);
	return sums.every(({ revision }) => revision === sums[0].revision);
}

async function readAll(abort) {
	const window = period.value;
	const question = { state: state.value, window };
	const now = Date.now();
	const bucket = bucketFor(window);
	const thisMonth = { from: monthStart(now), to: addDays(midnight(now), 1), bucket: "day", tz };
	const filter = filterOf(state.value);
	const needsSpending = isNarrowed(state.value);
	// The period before hardly changes: it is not read with every event.
	const key = JSON.stringify([window.before, filter, Math.floor(now / MINUTE)]);
	const needsBefore = window.before && key !== beforeKey;
	const ask = () => Promise.all([
		getStatus(abort),
		readSummary({ ...inside(question), bucket, tz }, abort),
		Promise.all(wantedPages.map((page) => readPage(page, question, abort))),
		readSummary({ ...filter, ...thisMonth }, abort),
		needsSpending ? readSummary(thisMonth, abort) : null,
		needsBefore ? readSummary({ ...filter, ...window.before, bucket, tz }, abort) : null,
	]);
	let answers = await ask();
	for (let i = 1; i < READINGS && !isOneMoment(answers); i++) answers = await ask();
	const [newStatus, newSummary, pages, newMonth, newSpending, newBefore] = answers;
	beforeKey = key;
	batch(() => {
		status.value = embedded ? { ...newStatus, budget: { daily_usd: null, monthly_usd: null } } : newStatus; // a page of others shows no plans
		summary.value = newSummary;
		month.value = newMonth;
		spending.value = newSpending ?? newMonth;
		if (needsBefore || !window.before) before.value = newBefore;
		shown.value = question;
		const [{ total, totals }] = pages;
		// A task that is as before stays the same object.
		const known = new Map([...rows.value.pages.values()].flat().map((task) => [JSON.stringify(task), task]));
		const keep = (task) => known.get(JSON.stringify(task)) ?? task;
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
	if (missing.length === 0 || !question) return;
	try {
		const read = await Promise.all(missing.map((page) => readPage(page, question)));
		if (shown.value.state !== question.state) return;
		if (read.some(({ revision }) => revision !== summary.value.revision)) {
			readSoon(); // rows of another moment are not put beside these
			return;
		}
		const pages = new Map(rows.value.pages);
		for (const page of read) pages.set(page.offset / PAGE, page.items);
		for (const page of pages.keys()) {
			if (pages.size > KEPT_PAGES && (page < first - 2 || page > last + 2)) pages.delete(page);
		}
		rows.value = { ...rows.value, pages };
	} catch (error) {
		failed(error);
	}
}

/** The rows of an event; their numbers are read after it. */
export function markFresh(ids, revision) {
	const now = Date.now();
	for (const id of ids) untold.set(id, revision);
	const young = [...fresh.value].filter(([, until]) => until > now);
	fresh.value = new Map([...young, ...ids.map((id) => [id, now + FRESH_MS])]);
}

/** Another filter or day is another question. */
export function startReading() {
	let asked = "";
	effect(() => {
		const { sort, order } = state.value;
		const question = JSON.stringify([usageFilter.value, sort, order]);
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
