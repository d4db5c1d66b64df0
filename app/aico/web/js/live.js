// The socket: it resumes by epoch and revision and reconnects with full-jitter back-off. After an event the page reads
// again, so nothing can drift.
import { batch, computed, effect, signal } from "../vendor/signals-core.js";
import { query } from "./api.js";
import { minute } from "./clock.js";
import { loadedAt, markFresh, problem, readNow, readSoon, readStatus, status } from "./store.js";

const FIRST_DELAY_MS = 500;
const LONGEST_DELAY_MS = 30_000;
const SILENCE_MS = 60_000; // the server beats every 25 s: two missed beats are a dead connection

/** state: connecting | live | waiting; since: when it was lost; retryAt: when we try again. */
export const link = signal({ state: "connecting", since: null, retryAt: null });

export const stale = computed(() => Boolean(problem.value) || link.value.state === "waiting");

export const knownUntil = computed(() => (stale.value ? Math.max(loadedAt.value, link.value.since) : minute.value));

let socket = null;
let seen = null; // {epoch, revision}
let failures = 0;
let retry = null;
let watchdog = null;

const handlers = {
	hello({ epoch, revision }) {
		failures = 0;
		link.value = { state: "live", since: null, retryAt: null };
		if (problem.value || (seen && (seen.epoch !== epoch || seen.revision !== revision))) readSoon();
		else if (seen) readStatus();
		// What was missed is replayed after this, and only then is the revision ours.
		if (seen?.epoch !== epoch) seen = { epoch, revision };
	},
	resync({ epoch, revision }) {
		seen = { epoch, revision };
		readNow();
	},
	cline_usage_updated({ epoch, revision, rows }) {
		seen = { epoch, revision };
		markFresh(rows.map((row) => row.task_id), revision);
		readSoon();
	},
	kimi_proxy_state: readStatus,
	source_state: readStatus,
	heartbeat({ revision }) {
		if (seen && revision !== seen.revision) {
			seen.revision = revision; // we missed one: read again
			readSoon();
		} else if (!document.hidden) readStatus();
	},
};

function lost({ code }) {
	clearTimeout(watchdog);
	socket = null;
	// 1013: we were too slow and are asked to come back, at once.
	const ceiling = code === 1013 ? 0 : Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** failures);
	const delay = Math.random() * ceiling;
	failures += 1;
	link.value = { state: "waiting", since: link.value.since ?? Date.now(), retryAt: Date.now() + delay };
	retry = setTimeout(connect, delay);
}

function connect() {
	clearTimeout(retry);
	if (socket) return;
	const address = new URL(`ws?${query({ epoch: seen?.epoch, since: seen?.revision })}`, location);
	address.protocol = address.protocol.replace("http", "ws");
	const mine = new WebSocket(address);
	socket = mine;
	const alive = () => {
		clearTimeout(watchdog);
		watchdog = setTimeout(() => mine.close(), SILENCE_MS);
	};
	alive();
	mine.onmessage = ({ data }) => {
		alive();
		const message = JSON.parse(data);
		batch(() => handlers[message.type]?.(message));
	};
	mine.onclose = lost;
}

/** Somebody looks again, or the network is back. */
function hurry() {
	if (!document.hidden && link.value.state === "waiting") connect();
}

export function startLive() {
	connect();
	effect(() => {
		const { epoch, revision } = status.value ?? {};
		if (seen && epoch && (epoch !== seen.epoch || revision < seen.revision)) readSoon(); // read too early
	});
	addEventListener("online", hurry);
	document.addEventListener("visibilitychange", hurry);
}
