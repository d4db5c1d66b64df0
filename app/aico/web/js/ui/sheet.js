// A dialog with a title and a way out.
import { useLayoutEffect } from "../../vendor/preact-hooks.js";
import { t } from "../i18n.js";
import { Icon, html } from "./parts.js";

export const Sheet = ({ id, title, kind = "", onClose, children }) => html`<dialog id=${id} aria-labelledby=${`${id}-title`} onClose=${onClose} onClick=${({ target, currentTarget }) => target === currentTarget && target.close()}>
	${children && html`<div class=${`sheet ${kind}`}><div class="head"><h2 id=${`${id}-title`}>${title}</h2>
		<button class="ghost" onClick=${({ target }) => target.closest("dialog").close()} aria-label=${t("close")}><${Icon} name="close" /></button></div>${children}</div>`}</dialog>`;

/** The same, open while `wish`, a signal, holds something. */
export function Wished({ wish, ...given }) {
	const shown = wish.value;
	useLayoutEffect(() => {
		const dialog = document.getElementById(given.id);
		if (!shown) dialog.close();
		else if (!dialog.open) dialog.showModal();
	}, [shown]);
	// Its event comes a while after it has closed: what was wished for since then stays.
	const closed = ({ target }) => target.open || wish.value !== shown || (wish.value = null);
	return html`<${Sheet} ...${given} onClose=${closed} />`;
}

/** Not for a second click: the next row may be there by then. */
export const once = (work) => ({ detail }) => detail < 2 && work();
