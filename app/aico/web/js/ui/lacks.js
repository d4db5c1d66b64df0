// Gaps of the sums, source by source, as told once the line of gaps is opened.
import { t, tn, told } from "../i18n.js";
import { openPrices } from "../prices.js";
import { slotOf } from "../slots.js";
import { embedded } from "../state.js";
import { LACKS, tokensOf } from "../sums.js";
import { say } from "./gaps.js";
import { Swatch, html, short, titleOf, when } from "./parts.js";

function known({ known_requests: requests, known_tokens: tokens }) {
	const sum = tokens && tokensOf({ input_tokens: null, output_tokens: null, ...tokens });
	const parts = [requests !== null && tn("gaps.requests", requests), sum > 0 && t("gaps.tokens", { n: short(sum) })].filter(Boolean);
	return parts.length ? ` (${parts.join(", ")})` : "";
}

export const Lack = ({ one }) => html`${say(one)}${t("colon")} <span class="soft">${t(`gaps.${one[0]}.why`)}</span>`;

export const Part = ({ list, until }) => html`<div class="panel-box"><dl>${list.map(({ id, counts, gaps }) => html`<div key=${id} data-tool=${id}>
	<dt><${Swatch} slot=${slotOf(id)} />${titleOf(id)}</dt>
	<dd>${counts.map((one) => html`<p>${LACKS.includes(one[0]) && "≥ "}<${Lack} one=${one} />${one[0] === "unpriced" && !embedded && html` <button class="link" onClick=${() => openPrices()}>${t("price.open")}</button>`}</p>`)}
		${gaps.map((gap) => html`<p>${told(`gap.${id}.${gap.kind}`, gap.title)}${known(gap)}</p>`)}</dd></div>`)}</dl>
	${until !== null && html`<p>${t("gaps.approximate", { at: when(until, "date") })}</p>`}<p class="soft">${t("gaps.why")}</p></div>`;
