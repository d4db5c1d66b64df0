// Words by key. The server's codes are translated, not its sentences.
import { signal } from "../vendor/signals-core.js";
import { keep, recall } from "./stored.js";

export const LANGUAGES = { fr: "Français", en: "English" };
const STORED = "language";

export const language = signal("en");
export const locale = signal("en"); // the browser's own regional form of the language where it has one
const words = signal({});

function preferred() {
	const wanted = [recall(STORED), ...navigator.languages.map((tag) => tag.slice(0, 2).toLowerCase())];
	return wanted.find((tag) => Object.hasOwn(LANGUAGES, tag)) ?? "en";
}

export async function useLanguage(wanted) {
	const chosen = (useLanguage.last = wanted ?? preferred());
	const found = await (await fetch(new URL(`../i18n/${chosen}.json`, import.meta.url))).json();
	if (chosen !== useLanguage.last) return;
	words.value = found;
	language.value = chosen;
	locale.value = navigator.languages.find((tag) => tag.toLowerCase().startsWith(chosen)) ?? chosen;
	document.documentElement.lang = chosen;
	if (wanted) keep(STORED, wanted);
}

export const t = (key, values = {}) =>
	(words.value[key] ?? key).replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);

/** Words that need not be there, else what the server says. */
export const told = (key, otherwise) => words.value[key] ?? otherwise;

/** A plural: key.one, key.other. {n} is the number. */
export function tn(key, number, values) {
	const form = `${key}.${new Intl.PluralRules(locale.value).select(number)}`;
	return t(form in words.value ? form : `${key}.other`, { n: number.toLocaleString(locale.value), ...values });
}

const FAULT = /^(ledger|sessions|source)_(.+)$/;

/** An unknown code gets a sentence, too; the same faults of several files share one. */
export function tcode(code) {
	if (`code.${code}` in words.value) return t(`code.${code}`);
	const [, file, fault] = FAULT.exec(code.replace("busy", "unstable")) ?? [];
	return `fault.${fault}` in words.value ? t(`fault.${fault}`, { file: t(`file.${file}`) }) : t("code.unknown", { code });
}

/** Its first sentence, as the end of another one: what to do stands elsewhere. */
export function why(code) {
	const [first] = tcode(code).split(/\.(?:\s|$)/);
	return first.slice(0, 1).toLowerCase() + first.slice(1).replaceAll("`", "");
}
