// Numbers, money and moments as people read them. Pure: locale, "now" and the currency {code, per_usd} come in; no
// currency is US dollars.

export const UNKNOWN = "–";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const NANO = 1e-9; // the server counts whole nano-dollars: nothing smaller is real
const made = new Map();

// Intl objects are slow to build and the table asks for thousands.
function intl(Kind, locale, options) {
	const key = Kind.name + locale + JSON.stringify(options);
	if (!made.has(key)) made.set(key, new Kind(locale, options));
	return made.get(key);
}

const number = (value, locale, options) => intl(Intl.NumberFormat, locale, options).format(value);
const missing = (value) => Number.isNaN(value ?? Number.NaN);

function units(value, locale, minimumFractionDigits, maximumFractionDigits, currency) {
	const style = { style: "currency", currency: currency?.code ?? "USD", currencyDisplay: "narrowSymbol" };
	return number(value, locale, { ...style, minimumFractionDigits, maximumFractionDigits });
}

// Two significant digits: more decimals for dust, so that nothing rounds to $0.00.
const decimals = (size) => (size === 0 || size >= 0.1 ? 2 : Math.min(9, 1 - Math.floor(Math.log10(size))));

/** A headline amount. A non-zero cost never reads as $0.00. */
export function money(usd, locale, currency) {
	if (missing(usd)) return UNKNOWN;
	const value = usd * (currency?.per_usd ?? 1);
	const size = Math.abs(value);
	if (size > 0 && size < NANO) return `< ${units(NANO, locale, 2, 9, currency)}`; // only an average can be this small
	return units(value, locale, 2, Math.max(2, decimals(size)), currency);
}

/** Always in US dollars: what is kept. */
export const moneyExact = (usd, locale) => (missing(usd) ? UNKNOWN : units(usd, locale, 2, 9));

/** A cost for a column, four decimals: [before, last two, after]. */
export function moneyColumn(usd, locale, currency) {
	if (missing(usd)) return [UNKNOWN, "", ""];
	const value = usd * (currency?.per_usd ?? 1);
	if (value !== 0 && Math.abs(value) < 0.00005) return [`< ${units(0.0001, locale, 4, 4, currency)}`, "", ""];
	const text = units(value, locale, 4, 4, currency);
	const end = text.search(/\d{2}\D*$/) + 2;
	return [text.slice(0, end - 2), text.slice(end - 2, end), text.slice(end)];
}

export function moneyAxis(usd, locale, step, currency) {
	const [value, size] = [usd, step].map((each) => Math.round(each * (currency?.per_usd ?? 1) * 1e9) / 1e9);
	return Number.isInteger(size) ? units(value, locale, 0, 0, currency) : units(value, locale, 2, Math.max(2, decimals(size)), currency);
}

/** Round ticks of a currency, in dollars: a step that is at least ``least``. */
export function moneySteps(low, high, least, currency) {
	const rate = currency?.per_usd ?? 1;
	const size = 10 ** Math.floor(Math.log10(least * rate));
	const step = ([1, 2, 2.5, 5].find((each) => each * size >= least * rate * 0.999999) ?? 10) * size;
	const first = Math.ceil((low * rate) / step - 1e-9);
	return Array.from({ length: Math.floor((high * rate) / step + 1e-9) - first + 1 }, (_, place) => ((first + place) * step) / rate);
}

export const count = (value, locale) => (missing(value) ? UNKNOWN : number(value, locale, { maximumFractionDigits: 0 }));

/** 9,876 as it is, 45.1M beyond. */
export function compact(value, locale) {
	if (missing(value) || Math.abs(value) < 1e4) return count(value, locale);
	return number(value, locale, { notation: "compact", maximumFractionDigits: Math.abs(value) < 1e5 ? 0 : 1 });
}

/** A part that exists never reads as 0 %. */
export function share(part, whole, locale) {
	if (missing(part) || !(whole > 0)) return UNKNOWN;
	const percent = (ratio) => number(ratio, locale, { style: "percent", maximumFractionDigits: ratio < 0.1 ? 1 : 0 });
	return part > 0 && part / whole < 0.001 ? `< ${percent(0.001)}` : percent(part / whole);
}

/** "62 %" of what is more than nothing. */
export const percent = (ratio, locale) => number(ratio, locale, { style: "percent", maximumFractionDigits: 0 });

/** "+12%"; null when there is nothing to compare with. */
export function change(now, before, locale) {
	if (missing(now) || !(before > 0)) return null;
	const ratio = now / before;
	if (ratio > 10) return `×${count(ratio, locale)}`;
	return number(ratio - 1, locale, { style: "percent", maximumFractionDigits: 0, signDisplay: "exceptZero" });
}

export function bytes(value, locale) {
	if (missing(value)) return UNKNOWN;
	const [unit, size] = value < 1e3 ? ["byte", 1] : value < 1e6 ? ["kilobyte", 1e3] : value < 1e9 ? ["megabyte", 1e6] : ["gigabyte", 1e9];
	const unitDisplay = unit === "byte" ? "long" : "short";
	return number(value / size, locale, { style: "unit", unit, unitDisplay, maximumFractionDigits: 1 });
}

/** "40 seconds": of what is guessed, one number is enough. */
export function duration(ms, locale) {
	const [unit, size] = ms < 90_000 ? ["second", 1000] : ms < 90 * MINUTE ? ["minute", MINUTE] : ["hour", HOUR];
	return number(Math.max(1, Math.round(ms / size)), locale, { style: "unit", unit, unitDisplay: "long", maximumFractionDigits: 0 });
}

const AGES = [
	[MINUTE, 1000, "second"],
	[HOUR, MINUTE, "minute"],
	[DAY, HOUR, "hour"],
	[60 * DAY, DAY, "day"],
	[730 * DAY, 30.44 * DAY, "month"],
	[Infinity, 365.25 * DAY, "year"],
];

/** "12s ago", "il y a 12 s". A moment ahead of our clock is "0s ago". */
export function ago(moment, now, locale) {
	if (missing(moment)) return UNKNOWN;
	const past = moment - now < DAY ? Math.min(0, moment - now) : moment - now;
	const [, size, unit] = AGES.find(([limit]) => Math.abs(past) < limit);
	// Narrow French is "-12 s"; in short French two months read like two minutes: "2 m.".
	const french = unit === "month" || unit === "year" ? "long" : "short";
	const style = locale.startsWith("fr") ? french : "narrow";
	return intl(Intl.RelativeTimeFormat, locale, { style }).format(Math.trunc(past / size) || -0, unit);
}

const STYLES = {
	full: { dateStyle: "medium", timeStyle: "long" },
	clock: { hour: "2-digit", minute: "2-digit" },
	day: { day: "numeric", month: "short" },
	weekday: { weekday: "short", day: "numeric", month: "short" },
	date: { dateStyle: "medium" },
	month: { month: "short", year: "numeric" },
	start: { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" },
	dated: { day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit" },
	second: { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", second: "2-digit" },
	hour: { weekday: "short", day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" },
};

export const moment = (ms, style, locale) =>
	missing(ms) ? UNKNOWN : intl(Intl.DateTimeFormat, locale, STYLES[style]).format(ms);

/** A range of days; of minutes, unless it begins and ends at midnight. */
export function range(from, to, locale) {
	const whole = [from, to].every((ms) => new Date(ms).getHours() + new Date(ms).getMinutes() === 0);
	const style = whole ? STYLES.date : { ...STYLES.day, ...STYLES.clock };
	return intl(Intl.DateTimeFormat, locale, style).formatRange(from, whole ? to - 1 : to);
}
