// Periods as windows of time. Pure: "now" comes in. Days begin at the browser's midnight and may have 23 or 25 hours:
// they are added by calendar.

export const PERIODS = ["today", "24h", "7d", "30d", "month", "year", "all"];

export const QUARTER = 900_000;
export const HOUR = 4 * QUARTER;
export const DAY = 24 * HOUR;
const BARS = ["15m", "hour", "day", "week", "month"];
const LENGTHS = { today: 1, "7d": 7, "30d": 30 };

export const zone = () => Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";
export const midnight = (ms) => new Date(ms).setHours(0, 0, 0, 0);

export function addDays(ms, days) {
	const date = new Date(ms);
	return date.setDate(date.getDate() + days);
}

export function monthStart(ms, months = 0) {
	const date = new Date(ms);
	return new Date(date.getFullYear(), date.getMonth() + months, 1).getTime();
}

const span = (from, to, begin) => ({ from, to, before: { from: begin, to: from } });

/** The window and the equal one before: {from, to, before: {from, to}}; null for "all". */
export function windowOf({ period, from, to }, now) {
	const end = addDays(midnight(now), 1);
	const days = LENGTHS[period];
	if (days) return span(addDays(end, -days), end, addDays(end, -2 * days));
	if (period === "month") return span(monthStart(now), monthStart(now, 1), monthStart(now, -1));
	if (period === "year") {
		const start = (years) => new Date(new Date(now).getFullYear() + years, 0, 1).getTime();
		return span(start(0), start(1), start(-1));
	}
	if (period === "24h") {
		const quarter = (Math.floor(now / QUARTER) + 1) * QUARTER; // else every second would be another window
		return span(quarter - DAY, quarter, quarter - 2 * DAY);
	}
	if (period === "custom") {
		const isWhole = from === midnight(from) && to === midnight(to);
		return span(from, to, isWhole ? addDays(from, -Math.round((to - from) / DAY)) : 2 * from - to);
	}
	return { from: null, to: null, before: null };
}

/** Fine enough for a curve, and some two hundred at most: each is told apart by source or model. */
export function bucketFor({ from, to }) {
	if (from === null || to - from > 400 * DAY) return "auto";
	return to - from <= 6 * HOUR ? "15m" : to - from <= 8 * DAY ? "hour" : "day";
}

/** The span of a bar: never finer than that of the server. */
export function barFor({ from, to, ahead_from, bucket }) {
	const limits = [6 * HOUR, 2 * DAY + HOUR, 92 * DAY, 400 * DAY, Infinity];
	const wanted = limits.findIndex((limit) => (ahead_from ?? to) - from <= limit);
	return BARS[Math.max(wanted, BARS.indexOf(bucket))];
}

export function barStart(ms, bar) {
	if (bar === "15m") return ms;
	if (bar === "hour") return new Date(ms).setMinutes(0, 0, 0);
	if (bar === "month") return monthStart(ms);
	const day = midnight(ms);
	return bar === "day" ? day : addDays(day, -((new Date(day).getDay() + 6) % 7)); // weeks begin on Monday
}

/** Buckets added up into [start, sum] bars, for the eye only. */
export function bars(series, bar, value) {
	const sums = new Map();
	for (const point of series) {
		const start = barStart(point.start, bar);
		sums.set(start, (sums.get(start) ?? 0) + value(point));
	}
	return [...sums];
}

export function spentSoFar(series, { from, to, before }, now, value) {
	const elapsed = Math.min(now, to) - from;
	return series.reduce((sum, point, i) => {
		const begin = point.start - before.from;
		const end = (series[i + 1]?.start ?? before.to) - before.from;
		return sum + value(point) * Math.max(0, Math.min(1, (elapsed - begin) / (end - begin)));
	}, 0);
}
