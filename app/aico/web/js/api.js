// The only place that asks the server. Addresses are relative: the page may be mounted below a prefix.

/** A refused request, by its code; "unreachable" when nobody answered. */
export class Problem extends Error {
	constructor(code) {
		super(code);
		this.code = code;
	}
}

export function query(parameters) {
	const named = Object.entries(parameters).flatMap(([name, value]) => [value].flat().map((one) => [name, one]));
	return new URLSearchParams(named.filter(([, value]) => (value ?? "") !== "")).toString();
}

// Also while the body is read: an abandoned answer is not an empty one.
function broken(error) {
	throw error.name === "AbortError" ? error : new Problem("unreachable");
}

async function ask(path, options) {
	const answer = await fetch(path, options).catch(broken);
	if (answer.status === 204) return null;
	if (answer.ok) return answer.json().catch(broken);
	const body = await answer.json().catch(() => null);
	// A proxy speaks for a service that is down.
	throw new Problem(body?.code ?? ([502, 503, 504].includes(answer.status) ? "unreachable" : "internal_error"));
}

const JSON_HEADERS = { "Content-Type": "application/json" };
const send = (method, path, body) => ask(path, { method, headers: JSON_HEADERS, body: JSON.stringify(body) });

export const getStatus = (signal) => ask("api/cline/status", { signal });
export const getSummary = (parameters, signal) => ask(`api/summary?${query(parameters)}`, { signal });
export const getOverview = (parameters, signal) => ask(`api/overview?${query(parameters)}`, { signal });
export const getHeat = (parameters) => ask(`api/heatmap?${query(parameters)}`);
export const getSessions = (parameters, signal) => ask(`api/sessions?${query(parameters)}`, { signal });
export const getSession = (parameters, signal) => ask(`api/session?${query(parameters)}`, { signal });
export const patchSession = (parameters, body) => send("PATCH", `api/session?${query(parameters)}`, body);
export const exportUrl = (parameters) => `api/export?${query(parameters)}`;

export const getAbout = () => ask("api/status");
export const putSource = (id, body) => send("PUT", `api/sources/${id}`, body);

export const putProjects = (body) => send("PUT", "api/projects", body);
export const deleteProjects = () => ask("api/projects", { method: "DELETE" });

const named = (path, name) => `${path}/${encodeURIComponent(name)}`;
export const getBudgets = () => ask("api/budgets");
export const putBudget = (name, body) => send("PUT", named("api/budgets", name), body);
export const deleteBudget = (name) => ask(named("api/budgets", name), { method: "DELETE" });
export const getPlans = () => ask("api/plans");
export const putPlan = (source, body) => send("PUT", named("api/plans", source), body);
export const deletePlan = (source) => ask(named("api/plans", source), { method: "DELETE" });
export const getLimits = () => ask("api/limits");
export const getWebhook = () => ask("api/webhook");
export const testWebhook = () => send("PUT", "api/webhook/test", {});

export const getActivity = (parameters) => ask(`api/activity?${query(parameters)}`);
export const putActivity = (id, body) => send("PUT", `api/activity/${id}`, body);
export const getPairings = () => ask("api/activity/pairings");
export const putPairing = () => send("PUT", "api/activity/pairings", {});
export const deletePairing = (id) => ask(`api/activity/pairings/${id}`, { method: "DELETE" });
export const postImport = (body) => send("POST", "api/import", body);

export const getPrices = () => ask("api/prices");
export const putPrice = (model, body) => send("PUT", `api/prices?${query({ model })}`, body);
export const deletePrice = (model, day) => ask(`api/prices?${new URLSearchParams({ model, valid_from: day })}`, { method: "DELETE" });
export const getTried = (model) => ask(`api/prices/test?${query({ model })}`);
export const putCurrency = (body) => send("PUT", "api/currency", body);
export const deleteCurrency = () => ask("api/currency", { method: "DELETE" });
export const getCompared = (parameters) => ask(`api/prices/compared?${query(parameters)}`);

/**
 * Why no socket opens, which a browser does not tell: "origin_refused", "upgrade" where something on the way does not
 * pass it on, "unreachable" where nobody answers. Asked as the socket is, with an origin; there is nothing to post to.
 */
export async function whyNoSocket() {
	try {
		await ask("ws", { method: "POST" });
	} catch (error) {
		if (["unreachable", "origin_refused"].includes(error.code)) return error.code;
	}
	return "upgrade";
}
