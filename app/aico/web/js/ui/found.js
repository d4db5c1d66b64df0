// News of sources beside the numbers: how far a large reading is, and that there is more to read.
import { signal } from "../../vendor/signals-core.js";
import { minute } from "../clock.js";
import { bytes, duration, share } from "../format.js";
import { locale, t, tn, told } from "../i18n.js";
import { choosing, offered, reading } from "../sources.js";
import { keep, recall } from "../stored.js";
import { Icon, Notice, html, since } from "./parts.js";

const DISMISSED = "found.dismissed";
const WITH_SIZES = 2; // more tools than these are only named: nobody reads four lines of sizes
const dismissed = signal(recall(DISMISSED) ?? "");

export const originTitle = (source, { id, title }) => told(`origin.${source.id}.${id}`, title);

/** Something of it lies on this computer, whether it can be read without a setting or not. */
export const isHere = ({ found, origins }) => found || origins.some(({ elsewhere }) => elsewhere);

/** "231 files, 1.2 GB, written 2 min ago". */
export function lying({ look, counting }) {
	if (!look) return t(counting ? "look.counting" : "look.nothing");
	const parts = [bytes(look.bytes, locale.value), t("look.written", { ago: since(look.last_written_at, minute.value) })];
	if (look.files > 1) parts.unshift(tn("look.files", look.files));
	return parts.join(", ");
}

/** How far a large reading is. */
export function Progress() {
	if (!reading.value) return null;
	const { share: ratio, done, total, rate, left_ms } = reading.value;
	const parts = [
		share(ratio, 1, locale.value),
		t("reading.bytes", { done: bytes(done, locale.value), total: bytes(total, locale.value) }),
		rate > 0 && t("reading.rate", { rate: bytes(rate, locale.value) }),
		left_ms !== null && t("reading.left", { time: duration(left_ms, locale.value) }),
	];
	return html`<${Notice} kind="info" name="reading"><b>${t("reading.title")}</b> <span data-field="progress">${parts.filter(Boolean).join(" · ")}</span>
		<progress max="1" value=${ratio} aria-label=${t("reading.title")}></progress><span class="soft">${t("reading.newest")}</span><//>`;
}

/** Beside the numbers: there is more, and it is a matter of choice. */
export function Offer() {
	const isOff = ({ found, enabled }) => found && !enabled;
	const names = offered.value.flatMap(({ id, origins }) => origins.filter(isOff).map((origin) => `${id}.${origin.id}`));
	if (names.every((name) => dismissed.value.split(" ").includes(name))) return null;
	const dismiss = () => {
		dismissed.value = names.join(" ");
		keep(DISMISSED, dismissed.value);
	};
	const tools = offered.value.map((source) => {
		const off = source.origins.filter(isOff);
		const isBrief = offered.value.length > WITH_SIZES;
		const parts = off.map((origin) => [source.origins.length > 1 && originTitle(source, origin), !isBrief && lying(origin)].filter(Boolean).join(", "));
		return parts.some(Boolean) ? `${source.title} (${parts.join("; ")})` : source.title;
	});
	return html`<${Notice} kind="info" name="found"><span>${t("found.more")} ${tools.join(", ")}.</span>
		<button class="small" onClick=${() => (choosing.value = true)}>${t("start.choose")}</button>
		<button class="ghost" onClick=${dismiss} aria-label=${t("close")}><${Icon} name="close" /></button><//>`;
}
