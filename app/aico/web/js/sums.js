// Adds up sums: unknown stays unknown, and money is added up in whole nano-dollars. Pure.

const NANO = 1e9;
const KINDS = ["input_tokens", "cache_read_tokens", "cache_write_5m_tokens", "cache_write_1h_tokens", "output_tokens"];
/** Of what a sum may lack something, each with a count of requests. */
export const LACKS = ["unpriced", "unmeasured", "interrupted", "at_least", "partial"];
const COUNTS = ["requests", ...LACKS.map((name) => `${name}_requests`)];
const BASES = ["recorded", "own", "listed"];

const isUnknown = (value) => (value ?? null) === null;

/** All kinds of tokens; null where none is known. */
export function tokensOf(sum) {
	const known = KINDS.map((kind) => sum[kind]).filter((value) => !isUnknown(value));
	return known.length ? known.reduce((total, value) => total + value, 0) : null;
}

export function cacheWrites({ cache_write_5m_tokens: short, cache_write_1h_tokens: long }) {
	return isUnknown(short) && isUnknown(long) ? null : (short ?? 0) + (long ?? 0);
}

/** Tokens without a price are not free: their cost is not known. */
export const isUnpriced = (sum) => isUnknown(sum.cost_usd) && tokensOf(sum) > 0 && !(sum.list_cost_usd > 0);

/** List prices of usage that a plan pays for, and no cost; of one request all or nothing. */
export const planValue = (sum) => sum.plan_value_usd ?? (sum.cost_usd > 0 ? 0 : sum.list_cost_usd);

/** A plan pays for all of it: it has a value, and no cost. */
export const isPaidByPlan = (sum) => !(sum.cost_usd > 0) && planValue(sum) > 0;

function total(values, unit = 1) {
	const sum = values.reduce((all, value) => all + Math.round((value ?? 0) * unit), 0);
	return sum === 0 && values.some(isUnknown) ? null : sum / unit;
}

export const addUsd = (values) => total(values, NANO);

/** The sum of sums. */
export function add(sums) {
	const all = { cost_usd: addUsd(sums.map(({ cost_usd }) => cost_usd)), at_least: sums.some(({ at_least }) => at_least) };
	for (const name of ["list_cost_usd", "plan_value_usd"]) all[name] = addUsd(sums.map((sum) => sum[name]));
	for (const name of [...KINDS, ...COUNTS]) all[name] = total(sums.map((sum) => sum[name]));
	all.cost_basis = Object.fromEntries(BASES.map((basis) => [basis, addUsd(sums.map((sum) => sum.cost_basis[basis]))]));
	return all;
}

/** The sums of groups by one of their names: [[name, sum]]. */
export function addBy(groups, name) {
	const found = new Map();
	for (const group of groups) found.set(group[name], [...(found.get(group[name]) ?? []), group]);
	return [...found].map(([key, sums]) => [key, add(sums)]);
}
