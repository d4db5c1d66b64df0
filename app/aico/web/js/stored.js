// This browser's memory between two visits; in a frame of another site it may refuse.

export function recall(name) {
	try {
		return localStorage.getItem(`aico.${name}`);
	} catch {
		return null;
	}
}

export function keep(name, value) {
	try {
		localStorage.setItem(`aico.${name}`, value);
	} catch {
		// It holds until the page is closed.
	}
}
