// State of the service and its sources: read at once and with each change, apart from the numbers on the page.
import { batch, computed, effect, signal } from "../vendor/signals-core.js";
import { getAbout, postImport, putSource } from "./api.js";
import { embedded, state } from "./state.js";
import { problem, readNow, readSoon } from "./store.js";

const PAUSE_MS = 1000; // a large reading has four messages in a second
const RETRY_MS = 3000;
const RATE_MS = 1000; // a rate of less time says nothing

export const about = signal(null); // the answer of api/status
export const progress = signal(new Map()); // source -> {done, total, first: {at, done}, at}
export const choosing = signal(false); // the choice of sources stands in the place of the numbers
export const refused = signal(null); // {id, code}: a switch that could not be turned
export const importing = signal(false);
export const importResult = signal(null); // {at, receipts} or {at, code}

/** The command of this program here. */
export const command = computed(() => about.value?.command ?? "aico");

export const sources = computed(() => about.value?.sources ?? []);

/** A page of others knows of none. */
export const hasProjects = computed(() => !embedded && about.value?.projects.named > 0);

/** Every origin that is read, with its source. */
export const read = computed(() =>
	sources.value.filter(isShown).flatMap((source) => source.origins.filter(({ enabled }) => enabled).map((origin) => ({ source, ...origin }))));

/** A frame knows of nothing but what it shows. */
const isShown = ({ id }) => !embedded || state.value.source.length === 0 || state.value.source.includes(id);

/** It is read all the same, only later. */
export const isSlow = ({ reason }) => ["watch_limit", "watch_unavailable"].includes(reason);
export const troubled = computed(() => read.value.filter((origin) => ["degraded", "failed"].includes(origin.state) && !isSlow(origin)));
export const isWaiting = computed(() => read.value.length > 0 && read.value.every((origin) => origin.state === "waiting"));
export const counted = computed(() => sources.value.filter(isShown).reduce((sum, { sessions }) => sum + sessions, 0));

/** Sources on this computer that could be read and are not. */
export const offered = computed(() =>
	sources.value.filter(({ origins }) => origins.some(({ enabled, found, fixed_by }) => found && !enabled && !fixed_by)));

/** The known places are being counted for the first time. */
export const isCounting = computed(() => sources.value.some(({ origins }) => origins.some(({ counting }) => counting)));

/** Nothing was counted yet of what is shown. */
export const isFirst = computed(() => about.value !== null && counted.value === 0);

/** {share, done, total, left_ms} of all that is being read; null while nothing is. */
export const reading = computed(() => {
	const all = [...progress.value.values()];
	const sum = (value) => all.reduce((total, each) => total + value(each), 0);
	const [done, total] = [sum((each) => each.done), sum((each) => each.total)];
	if (!(total > 0)) return null;
	const took = Math.max(...all.map(({ at, first }) => at - first.at));
	const rate = took < RATE_MS ? 0 : sum((each) => each.done - each.first.done) / took;
	return { share: Math.min(1, done / total), done, total, rate: rate * 1000, left_ms: rate > 0 ? (total - done) / rate : null };
});

/** A message of the socket, or what the status says. */
export function noteProgress(source, done, total) {
	const at = Date.now();
	const known = progress.value.get(source);
	const first = known && known.done <= done ? known.first : { at, done };
	progress.value = new Map(progress.value).set(source, { done, total, first, at });
}

function takeProgress(sources) {
	const gone = sources.filter(({ reading }) => !reading).map(({ id }) => id);
	if (gone.some((id) => progress.value.has(id))) {
		progress.value = new Map([...progress.value].filter(([id]) => !gone.includes(id)));
	}
	for (const { id, reading } of sources) {
		if (reading && !progress.value.has(id)) noteProgress(id, reading.bytes_done, reading.bytes_total);
	}
}

let running = null;
let again = false;
let timer = null;
let lastRead = 0;

async function readOnce() {
	lastRead = Date.now();
	try {
		const answer = await getAbout();
		batch(() => {
			takeProgress(answer.sources);
			about.value = answer;
		});
		if (problem.value) readSoon();
		if (isCounting.value || reading.value) timer ??= setTimeout(readSources, PAUSE_MS); // nobody tells when it is done
		return true;
	} catch (error) {
		if (!error.code) throw error;
		if (!about.value) {
			problem.value ??= error.code; // the page cannot begin without
			timer ??= setTimeout(readSources, RETRY_MS);
		}
		return error.code !== "unreachable";
	}
}

/** Ask now, or once more after the question that is on its way. Return whether somebody answers. */
export async function readSources() {
	clearTimeout(timer);
	timer = null;
	again = running !== null;
	running ??= (async () => {
		let isThere = await readOnce();
		while (again) {
			again = false;
			isThere = await readOnce();
		}
		running = null;
		return isThere;
	})();
	return running;
}

/** At most once in a while. */
export function readSourcesSoon() {
	timer ??= setTimeout(readSources, Math.max(0, lastRead + PAUSE_MS - Date.now()));
}

/** Switch some origins of a source; what came of it is in the next state. */
export async function switchOrigins(id, origins) {
	try {
		await putSource(id, { origins });
		refused.value = null;
	} catch (error) {
		refused.value = { id, code: error.code ?? "internal_error" };
		if (!error.code) throw error;
	}
	readSources();
}

/** Switch on all that lies on this computer: every origin of a tool that was found, wherever a switch decides. */
export async function readAllFound() {
	choosing.value = false;
	await Promise.all(offered.value.map(({ id, origins }) =>
		switchOrigins(id, Object.fromEntries(origins.filter(({ fixed_by }) => !fixed_by).map((origin) => [origin.id, true])))));
}

/** A frame of one source reads that one. */
export async function importNow() {
	if (importing.value) return;
	importing.value = true;
	try {
		const source = embedded && state.value.source.length === 1 ? state.value.source[0] : undefined;
		const { receipts, failures } = await postImport({ source });
		// Nothing that is read, nothing that answers.
		const code = failures.find(({ absent }) => !absent)?.code ?? (receipts.length + failures.length ? null : "source_off");
		importResult.value = { code, receipts, at: Date.now() };
	} catch (error) {
		importResult.value = { code: error.code ?? "internal_error", at: Date.now() };
	}
	readSources();
	await readNow();
	importing.value = false;
}

/** Trouble is no longer told once a source can be read. */
export function startHealing() {
	let before = new Set();
	effect(() => {
		const well = new Set(read.value.filter(({ state }) => state === "watching").map(({ source, id }) => `${source.id} ${id}`));
		const isHealed = [...well].some((name) => !before.has(name));
		before = well;
		if (isHealed && importResult.peek()?.code) importResult.value = null;
	});
}
