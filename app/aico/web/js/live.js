// The socket: it resumes by epoch and revision and reconnects with full-jitter back-off. After an event the page reads
// again, so nothing can drift. If sockets do not get through, the page asks every ten seconds, and says why.
import { batch, computed, effect, signal } from "../vendor/signals-core.js";
import { query, whyNoSocket } from "./api.js";
import { minute } from "./clock.js";
import { readActivity } from "./asked.js";
import { notePricing, readPrices } from "./prices.js";
import { about, noteProgress, readSources, readSourcesSoon } from "./sources.js";
import { loadedAt, markFresh, problem, readNow, readSoon, status } from "./store.js";
import { readTerms, readTermsSoon } from "./terms.js";

export const POLL_MS = 10_000;
const FIRST_DELAY_MS = 500;
const LONGEST_DELAY_MS = 30_000;
const HELLO_MS = 10_000; // a proxy may swallow the handshake
const SILENCE_MS = 60_000; // the server beats every 25 s: two missed beats are a dead connection

/** state: connecting | live | polling | waiting; since: when it was lost; retryAt: when we try again; why: no socket. */
export const link = signal({ state: "connecting", since: null, retryAt: null, why: null });

export const stale = computed(() => Boolean(problem.value) || link.value.state === "waiting");

export const knownUntil = computed(() => (stale.value ? Math.max(loadedAt.value, link.value.since) : minute.value));

let socket = null;
let seen = null; // {epoch, revision}
let failures = 0;
let retry = null;
let watchdog = null;
let poll = null;
let polled = ""; // what the last question of a page without a socket has seen

const handlers = {
	hello({ epoch, revision }) {
		failures = 0;
		clearTimeout(poll);
		link.value = { state: "live", since: null, retryAt: null, why: null };
		readSources();
		// Missed changes are replayed after this, and only then is the revision ours.
		if (seen?.epoch !== epoch) seen = { epoch, revision };
	},
	resync({ epoch, revision }) {
		seen = { epoch, revision };
		readNow();
		readTermsSoon();
	},
	usage_updated({ epoch, revision, rows }) {
		seen = { epoch, revision };
		markFresh(rows, revision);
		readSoon();
		readSourcesSoon();
		readTermsSoon();
	},
	projects_updated(change) {
		handlers.resync(change);
		readSources();
	},
	budget_reached: readTerms,
	budgets_changed() {
		readTerms();
		readSoon();
	},
	reading({ source, bytes_done, bytes_total }) {
		noteProgress(source, bytes_done, bytes_total);
		readSourcesSoon(); // its end has no message
	},
	prices_updated({ epoch, revision }) {
		seen = { epoch, revision };
		readPrices();
		readSources();
	},
	pricing({ done, total }) {
		notePricing({ done, total });
		readSourcesSoon(); // its end has no message
	},
	currency_updated: readSources,
	kimi_proxy_state: readSources,
	otlp_state: readSources,
	source_state: readSources,
	activity_changed: readActivity,
	heartbeat({ revision }) {
		if (seen && revision !== seen.revision) {
			seen.revision = revision; // we missed one: read again
			readSoon();
		}
		if (!document.hidden) readSources();
	},
};

function lost({ code }, wasOpen) {
	clearTimeout(watchdog);
	socket = null;
	// 1013: we were too slow and are asked to come back, at once.
	const ceiling = code === 1013 ? 0 : Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** failures);
	const delay = Math.random() * ceiling;
	failures += 1;
	retry = setTimeout(connect, delay);
	const { state, since } = link.value;
	if (state === "polling") return;
	link.value = { state: "waiting", since: since ?? Date.now(), retryAt: Date.now() + delay, why: null };
	if (!wasOpen) askWhy();
}

async function askWhy() {
	const why = await whyNoSocket();
	if (why === "unreachable" || link.value.state !== "waiting") return;
	link.value = { state: "polling", since: null, retryAt: null, why };
	polled = "";
	ask();
}

async function ask() {
	clearTimeout(poll);
	const isThere = await readSources();
	if (link.value.state !== "polling") return;
	if (!isThere) {
		link.value = { state: "waiting", since: Date.now(), retryAt: Date.now() + POLL_MS, why: null };
		hurry(POLL_MS);
		return;
	}
	const now = `${about.value?.database_id} ${about.value?.commit_seq}`;
	if (now !== polled) {
		readSoon();
		readTermsSoon();
	}
	polled = now;
	poll = setTimeout(ask, POLL_MS);
}

function connect() {
	clearTimeout(retry);
	if (socket) return;
	const address = new URL(`ws?${query({ epoch: seen?.epoch, since: seen?.revision })}`, location);
	address.protocol = address.protocol.replace("http", "ws");
	const mine = new WebSocket(address);
	let isOpen = false;
	socket = mine;
	const alive = (patience) => {
		clearTimeout(watchdog);
		watchdog = setTimeout(() => mine.close(), patience);
	};
	alive(HELLO_MS);
	mine.onmessage = ({ data }) => {
		alive(SILENCE_MS);
		isOpen = true;
		const message = JSON.parse(data);
		batch(() => handlers[message.type]?.(message));
	};
	mine.onclose = (event) => lost(event, isOpen);
}

/** Try again after a while; at once where somebody looks again, or the network is back. */
function hurry(delay = 0) {
	clearTimeout(retry);
	retry = setTimeout(connect, delay);
}

export function startLive() {
	connect();
	const again = () => !document.hidden && link.value.state === "waiting" && hurry();
	effect(() => {
		const { epoch, revision } = status.value ?? {};
		if (link.value && seen && epoch && (epoch !== seen.epoch || revision < seen.revision)) readSoon(); // read too early
	});
	addEventListener("online", again);
	document.addEventListener("visibilitychange", again);
}
