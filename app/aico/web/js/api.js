// The only place that asks the server. Addresses are relative: the page may be mounted below a prefix.

/** A refused request, by its code; "unreachable" when nobody answered. */
export class Problem extends Error {
	constructor(code) {
		super(code);
		this.code = code;
	}
}

export function query(parameters) {
	const given = Object.entries(parameters).filter(([, value]) => (value ?? "") !== "");
	return new URLSearchParams(given).toString();
}

// Also while the body is read: an abandoned answer is not an empty one.
function broken(error) {
	throw error.name === "AbortError" ? error : new Problem("unreachable");
}

async function ask(path, options) {
	const answer = await fetch(`api/cline/${path}`, options).catch(broken);
	if (answer.ok) return answer.json().catch(broken);
	const body = await answer.json().catch(() => null);
	throw new Problem(body?.code ?? "internal_error");
}

export const getStatus = (signal) => ask("status", { signal });
export const getSummary = (parameters, signal) => ask(`summary?${query(parameters)}`, { signal });
export const getUsage = (parameters, signal) => ask(`usage?${query(parameters)}`, { signal });
export const postImport = () => ask("import", { method: "POST" });
export const exportUrl = (parameters) => `api/cline/export?${query(parameters)}`;
