// Browsers whose extensions may report: one more is paired here, and each can be ended.
import { useEffect, useRef, useState } from "../../vendor/preact-hooks.js";
import { deletePairing, getPairings, putPairing } from "../api.js";
import { t } from "../i18n.js";
import { Ago, Complaint, Copyable, html } from "./parts.js";
import { once } from "./sheet.js";

/** The extension reports to its own machine and to nothing else. */
const isHere = location.protocol === "http:" && ["127.0.0.1", "localhost"].includes(location.hostname);

const Paired = ({ pairing: { id, browser, last_at: last }, end }) => html`<li><span>${browser ?? t("pair.waiting")} ${last && html`<span class="soft">${t("pair.last")} <${Ago} ms=${last} /></span>`}</span>
	<button class="quiet" onClick=${once(() => end(id))} aria-label=${t("pair.end.one", { browser: browser ?? t("pair.waiting") })}>${t("pair.end")}</button></li>`;

export function Part() {
	const [paired, setPaired] = useState([]);
	const [given, give] = useState(null); // the token, which is told once
	const [code, refuse] = useState(null);
	const newest = useRef(null);
	const attempt = async (ask) => {
		try {
			await ask();
			const mine = (newest.current = getPairings());
			const all = await mine;
			if (mine === newest.current) setPaired(all.filter(({ ended_at: ended }) => ended === null));
			refuse(null);
		} catch (error) {
			refuse(error.code ?? "internal_error");
			if (!error.code) throw error;
		}
	};
	useEffect(() => void attempt(() => null), []);
	const pair = () => attempt(async () => give((await putPairing()).token));
	const end = (id) => attempt(() => deletePairing(id));
	return html`<div data-field="pairings">${paired.length > 0 && html`<ul>${paired.map((pairing) => html`<${Paired} key=${pairing.id} pairing=${pairing} end=${end} />`)}</ul>`}
		<${Complaint} code=${code} />
		${isHere && html`<button class="small" onClick=${once(pair)}>${t("pair.add")}</button>`}
		<div role="status">${given && html`<p>${t("pair.how")}</p><p>${t("pair.address")} <${Copyable} text=${location.origin} /></p><p>${t("pair.token")} <${Copyable} text=${given} /></p>`}</div></div>`;
}
