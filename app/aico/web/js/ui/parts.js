// Small pieces for every part.
import htm from "../../vendor/htm.js";
import { useState } from "../../vendor/preact-hooks.js";
import { computed, signal } from "../../vendor/signals-core.js";
import { h } from "../../vendor/preact.js";
import { minute, second } from "../clock.js";
import { ago, compact, count, moment, money, moneyExact } from "../format.js";
import { locale, t, tcode } from "../i18n.js";
import { midnight } from "../period.js";
import { about, command, sources } from "../sources.js";
import { embedded } from "../state.js";
import { announcement, shown } from "../store.js";
import { isPaidByPlan, isUnpriced, planValue } from "../sums.js";
import { plans } from "../terms.js";
import { onPaper } from "../theme.js";

export const html = htm.bind(h);

/** The currency of amounts: {code, per_usd, as_of}; null: US dollars, as in a frame. */
export const currency = computed(() => (embedded ? null : (about.value?.currency ?? null)));
export const amount = (usd) => money(usd, locale.value, currency.value);
export const short = (n) => compact(n, locale.value);
export const whole = (n) => count(n, locale.value);
export const when = (ms, style) => moment(ms, style, locale.value);
export const since = (ms, now) => ago(ms, now, locale.value);
export const exact = (usd) => moneyExact(usd, locale.value);

const parts = {};
let tries = ""; // a browser remembers the address that failed

export const Loading = () => html`<p class="empty soft loading" role="status">${t("loading")}</p>`;

/** A part of the page, `Part` of its module, that is loaded when it is shown for the first time. */
export function Later({ name, wait = h(Loading), ...given }) {
	const part = (parts[name] ??= signal(""));
	if (part.value.call) return h(part.value, given);
	import(`./${name}.js${tries}`).then(({ Part }) => (part.value = Part), () => {
		tries += "?";
		part.value = "unreachable";
	});
	return part.value ? html`<${Complaint} code=${part.value} />` : wait;
}

/** For the style sheet: what a number is, where it has no column. */
export const columnWords = () => Object.fromEntries(["in", "cache", "out"].map((name) => [`--${name}`, JSON.stringify(t(`col.${name}.short`))]));

export const timeOf = (ms) => when(ms, midnight(ms) === midnight(minute.value) ? "clock" : "hour");

const PATHS = {
	close: "M4 4l8 8M12 4l-8 8",
	down: "M8 2.5v8M4.5 7.5L8 11l3.5-3.5M3 13.5h10",
	search: "M7 2.5a4.5 4.5 0 100 9 4.5 4.5 0 000-9zM10.3 10.3l3.2 3.2",
	auto: "M8 2a6 6 0 100 12A6 6 0 008 2zM8 2v12",
	light: "M8 5a3 3 0 100 6 3 3 0 000-6zM8 1v1.5M8 13.5V15M1 8h1.5M13.5 8H15M3 3l1 1M12 12l1 1M3 13l1-1M12 4l1-1",
	dark: "M13.5 9.6A6 6 0 016.4 2.5a6 6 0 107.1 7.1z",
	open: "M9.5 3H13v3.5M13 3L7.5 8.5M11 9.5V13H3V5h3.5",
	refresh: "M13 8a5 5 0 11-1.5-3.6M13 2.5V5h-2.5",
};
export const Icon = ({ name }) =>
	html`<svg class="icon" viewBox="0 0 16 16" aria-hidden="true"><path d=${PATHS[name]} /></svg>`;

/** "12s ago", alive, and a moment on paper. A table has fifty: the moment is worked out on hover. */
export function Ago({ ms, tag = "time", ...more }) {
	const now = Date.now() - ms < 60_000 ? second.value : minute.value;
	return html`<${tag} ...${more} onMouseOver=${({ target }) => (target.title = when(ms, "full"))}>${onPaper.value ? when(ms, "start") : since(ms, now)}<//>`;
}

export const Money = ({ usd }) => html`<span title=${exact(usd)}>${amount(usd)}</span>`;
export const Tokens = ({ n, tag = "span", ...more }) => html`<${tag} ...${more} title=${whole(n)}>${short(n)}<//>`;

/** The value of usage that a plan pays for, in the place of its cost or beside one; null of anything else. */
export function valueOfPlan(sum) {
	const usd = planValue(sum);
	if (plans.value.length === 0 || !(usd > 0)) return null;
	return html`<span class="soft" data-field="value" title=${t("value.plan", { value: exact(usd) })}>${!isPaidByPlan(sum) && " + "}(${amount(usd)})</span>`;
}

/** An unknown cost is never $0.00, and a sum that lacks something says so. */
export function Cost({ sum, tag = "span" }) {
	const value = valueOfPlan(sum);
	if (value && isPaidByPlan(sum)) return html`<${tag}>${value}<//>`;
	if (isUnpriced(sum)) return html`<${tag}><span class="tag" title=${t("unpriced.why")}>${t("unpriced")}</span><//>`;
	const isLess = (sum.at_least ?? sum.state === "at_least") && sum.cost_usd !== null;
	return html`<${tag} title=${isLess ? `${t("atleast")} ${exact(sum.cost_usd)}` : exact(sum.cost_usd)}>${isLess && html`<span class="soft">≥ </span>`}${amount(sum.cost_usd)}${value}<//>`;
}

/** In large figures, for a card. */
export function BigCost({ sum }) {
	if (isUnpriced(sum)) return html`<span title=${t("unpriced.why")}>${t("unpriced")}</span>`;
	const value = valueOfPlan(sum);
	const isPaid = value && isPaidByPlan(sum);
	const word = isPaid ? "basis.plan" : sum.at_least && sum.cost_usd !== null && "atleast";
	return html`${word && html`<small title=${t(`${word}.why`)}>${t(word)} </small>`}${isPaid ? value : html`<${Money} usd=${sum.cost_usd} />${value && html`<small>${value} ${t("plan.pays")}</small>`}`}`;
}

export const Swatch = ({ slot }) => html`<i class=${`swatch s${slot}`} aria-hidden="true"></i>`;
export const titleOf = (id) => sources.value.find((source) => source.id === id)?.title ?? id;

/** The name of a source, a model or a project. */
export const wordsOf = (group, name) => (group === "source" ? titleOf(name) : (name ?? t(group === "project" ? "project.unknown" : "model.unknown")));

export const NameOf = ({ name, group = shown.value.group }) =>
	group === "model" ? html`<${ModelName} id=${name} />` : html`<span class="named" title=${wordsOf(group, name)}>${wordsOf(group, name)}</span>`;

/** A session is called by the user's own label, never in a frame, else by its start. */
export function nameOf({ label, started_at: start }) {
	const isThisYear = new Date(start).getFullYear() === new Date(minute.value).getFullYear();
	return (!embedded && label) || when(start, isThisYear ? "start" : "dated");
}

export const StateTag = ({ state }) => state && html`<span class=${`tag is-${state}`}>${t(`note.${state}`)}</span>`;

/** A frame may be refused the clipboard, plain HTTP has none. */
export async function copyText(text, words = text) {
	const isCopied = await navigator.clipboard?.writeText(text).then(() => true, () => false);
	announcement.value = isCopied ? t("copied", { text: words }) : t("copy.refused");
	return isCopied;
}

const COPIED_MS = 1500;

/** Text to paste: a command as this machine knows it, or a setting. */
export function Copyable({ text }) {
	const [mark, setMark] = useState("");
	const given = text.replace(/^aico\b/, command.value);
	const copy = async () => {
		setMark((await copyText(given)) ? "✓" : "✗");
		setTimeout(() => setMark(""), COPIED_MS);
	};
	return html`<span class="copyable"><code>${given}</code><button class="copy" onClick=${copy} aria-label=${t("copy.text", { text: given })}
		title=${t("copy.text", { text: given })}>${mark}</button></span>`;
}

const PASTED = /^(aico|pip) |[=_]/;

/** Words with `names` among them, of which commands and settings can be copied. */
export const Words = ({ text }) => text.split("`").map((part, index) =>
	(index % 2 === 0 ? part : PASTED.test(part) ? html`<${Copyable} text=${part} />` : html`<code>${part}</code>`));

/** A refusal, with what to do. */
export const Complaint = ({ code }) => code && html`<p class="warn" role="alert"><${Words} text=${tcode(code)} /></p>`;

/** A state in words, with a light that says the same. */
export const Lamp = ({ name, kind, title, children }) =>
	html`<span class=${`live ${kind}`} data-field=${name} title=${title}><i></i>${children}</span>`;

/** A notice of the page; one that is bad speaks up. */
export const Notice = ({ kind, name, children }) =>
	html`<div class=${`notice ${kind}`} data-notice=${name} role=${kind === "bad" ? "alert" : undefined}>${children}</div>`;

/** One of a few. Real radio buttons would trap the arrow keys. */
export const Segmented = ({ label, options, chosen, choose }) => html`<div class="segmented" role="group" aria-label=${label}>
	${options.map(([value, words, key, disabled]) => html`<button aria-pressed=${value === chosen} disabled=${disabled}
		title=${key && t("key.hint", { key })} onClick=${() => choose(value)}>${words}</button>`)}</div>`;

const TAIL = 12; // a version and a date, which always stay
const FAMILY = 20; // by whole words: "sonnet-4-5-20250929"

/** Without room the maker goes first, as a whole, then the beginning of the name, then its middle. */
export function ModelName({ id, tag = "span", ...more }) {
	if (id === null) return html`<${tag} ...${more}><i class="soft">${t("model.unknown")}</i><//>`;
	const cut = id.lastIndexOf("/") + 1;
	const end = id.length - cut > 1.5 * TAIL ? id.length - TAIL : cut;
	const family = id.slice(0, end).indexOf("-", Math.max(cut, id.length - FAMILY - 1)) + 1 || end;
	// Boxes would be read as words of their own.
	const label = tag === "button" ? id : undefined;
	return html`<${tag} class="model" title=${id} aria-label=${label} ...${more}>${id.slice(0, cut)}<span>${family > cut && html`<span>${id.slice(cut, family)}</span>`}${end > family && html`<span>${id.slice(family, end)}</span>`}${id.slice(end)}</span><//>`;
}
