// One state in the head, of connection, page and sources together: never a green word beside a red one.
import { computed } from "../../vendor/signals-core.js";
import { second } from "../clock.js";
import { share } from "../format.js";
import { locale, t, tcode, tn, why } from "../i18n.js";
import { POLL_MS, link } from "../live.js";
import { about, counted, isSlow, isWaiting, offered, read, reading, sources, troubled } from "../sources.js";
import { loadedAt, problem } from "../store.js";
import { Lamp, html, timeOf } from "./parts.js";

const OFFLINE_MS = 3000; // a service that is started anew is not gone

const titles = (origins) => [...new Set(origins.map(({ source }) => source.title))];

/** With what is said on hover. */
const say = (kind, words, title) => ({ kind, words, title });

const standing = computed(() => {
	const { state, since, retryAt, why: blocked } = link.value;
	if (state === "connecting" && !(about.value && loadedAt.value)) return say("idle", t("live.connecting"));
	if (state === "waiting") {
		const now = second.value;
		const n = Math.max(0, Math.ceil((retryAt - now) / 1000));
		const asOf = loadedAt.value ? t("live.asof", { at: timeOf(loadedAt.value) }) : "";
		if (now - since < OFFLINE_MS) return say("warn", t("live.retry", { n }), asOf);
		return say("bad", t("live.offline", { since: timeOf(since), n }), asOf);
	}
	if (problem.value) return say("bad", t("live.problem"), tcode(problem.value).replaceAll("`", ""));
	const failing = titles(troubled.value);
	if (failing.length === 1) {
		const words = t("live.cannot", { source: failing[0], why: why(troubled.value[0].reason) });
		return say("bad", words, words);
	}
	if (failing.length > 1) return say("bad", tn("live.cannot.many", failing.length), failing.join(", "));
	if (reading.value) return say("idle", t("live.reading", { share: share(reading.value.share, 1, locale.value) }));
	if (about.value && read.value.length === 0) return say("idle", t("live.off"));
	if (isWaiting.value && counted.value === 0 && offered.value.length > 0) return say("idle", t("live.choice"));
	if (isWaiting.value) return say("idle", t("live.waiting", { what: titles(read.value).join(", ") }));
	if (state === "polling") {
		return say("warn", t("live.polling", { n: POLL_MS / 1000 }), t(`polling.${blocked}`).replaceAll("`", ""));
	}
	if (about.value?.demo) return say("good", t("live.demo"));
	const slow = read.value.find(isSlow);
	if (slow) return say("warn", t("live.slow"), tcode(slow.reason));
	return say("good", t("live.live"), sources.value.filter(({ enabled }) => enabled).map(({ title }) => title).join(", "));
});

export function Standing() {
	const { kind, words, title } = standing.value;
	return html`<${Lamp} name="live" kind=${kind} title=${title || undefined}><span>${words}</span><//>`;
}
