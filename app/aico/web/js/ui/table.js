// The sessions of all sources: a window over pages of the server.
import { useEffect, useLayoutEffect, useRef, useState } from "../../vendor/preact-hooks.js";
import { signal } from "../../vendor/signals-core.js";
import { openSession, selected } from "../asked.js";
import { minute } from "../clock.js";
import { moneyColumn } from "../format.js";
import { locale, t, tn } from "../i18n.js";
import { slotOf } from "../slots.js";
import { COLUMNS, choose, chooseSort, embedded, isCline, showAll, state } from "../state.js";
import { PAGE, fresh, keyOf, rows, shown, wantPages } from "../store.js";
import { cacheWrites, isUnpriced, tokensOf } from "../sums.js";
import { ImportButton, LastImport } from "./imports.js";
import { Ago, Cost, ModelName, columnWords, currency, exact, html, nameOf, short, titleOf, valueOfPlan, when, whole } from "./parts.js";

const OVERSCAN = 2;
const TOLD_WIDTH = 332; // with its distance from the edge
const told = signal({}); // {words, left, top} of the mark that was pressed last

let height = 0; // asked for once per look: it costs a style pass
const measure = () => (height = Number.parseInt(getComputedStyle(document.documentElement).getPropertyValue("--row"), 10));
const rowHeight = () => height || measure();
const at = (pages, index) => pages.get(Math.floor(index / PAGE))?.[index % PAGE];

const tokens = (kind, n, why) => html`<td class=${kind} title=${why ?? whole(n)}>${short(n)}</td>`;

function cacheOf(sum) {
	const writes = cacheWrites(sum);
	const read = sum.cache_read_tokens;
	const why = t("cache.why", { read: whole(read), write: whole(writes) });
	return tokens("cache", (read ?? writes) === null ? null : (read ?? 0) + (writes ?? 0), why);
}

function costOf(sum, lifetime, isPartial) {
	const usd = sum.cost_usd;
	if (valueOfPlan(sum)) return html`<td class="cost"><${Cost} sum=${sum} /></td>`;
	if (isUnpriced(sum) && !isPartial) return html`<td class="cost" title=${t("unpriced.why")}><span class="tag">${t("unpriced")}</span></td>`;
	const [head, tail, end] = moneyColumn(usd, locale.value, currency.value);
	const bases = Object.entries(sum.cost_basis).filter(([, part]) => part > 0);
	const basis = bases[1] ? "mixed" : bases[0]?.[0];
	const isTold = basis && basis !== "recorded";
	const parts = bases[1] ? bases.map(([name, part]) => `${t(`basis.${name}`)} ${exact(part)}`) : [isTold && t(`basis.${basis}.why`)];
	const why = [exact(usd), lifetime !== usd && lifetime !== undefined && t("cost.part", { exact: exact(usd), lifetime: exact(lifetime) }), ...parts, sum.at_least && usd !== null && t("atleast.why")];
	return html`<td class="cost" title=${why.filter(Boolean).join("\n")}>${isTold && html`<i class="soft">${t(`basis.${basis}.short`)} </i>`}${sum.at_least && usd !== null && html`<span class="soft">≥ </span>`}${head}<span class="soft tail">${tail}</span>${end}</td>`;
}

const numbers = (sum, lifetime, isPartial) => html`${tokens("in", sum.input_tokens)}${cacheOf(sum)}${tokens("out", sum.output_tokens)}${costOf(sum, lifetime, isPartial)}`;

/** The weightiest first: [mark, sentence]. */
function notes({ state, stated, unknown, has_fallen, spent }) {
	const isSilent = tokensOf(spent) === null && spent.cost_usd === null && unknown.length === 0;
	const isBroken = ["interrupted", "failed"].includes(state);
	const why = (mark, values) => [mark, t(`note.${mark}.why`, values)];
	return [
		state === "running" && why("running"),
		isBroken && (isSilent ? [state, t("note.silent.why")] : why(state)),
		isSilent && !isBroken && state !== "running" && why("silent"),
		has_fallen && why("fallen", { cost: exact(stated.cost_usd), in: whole(stated.input_tokens), out: whole(stated.output_tokens) }),
		unknown.length > 0 && why("unknown", { fields: unknown.join(", ") }),
		spent.interrupted_requests > 0 && ["cut", tn("gaps.interrupted", spent.interrupted_requests)],
		spent.unmeasured_requests > 0 && !isSilent && ["lacking", tn("gaps.unmeasured", spent.unmeasured_requests)],
	].filter(Boolean);
}

/** If nothing hovers, and for the keyboard. */
function tell({ currentTarget: mark }) {
	const { left, bottom } = mark.getBoundingClientRect();
	told.value = { words: mark.title, left: Math.max(12, Math.min(left, innerWidth - TOLD_WIDTH)) + scrollX, top: bottom + 4 + scrollY };
}

/** One a row, with any notes: nothing moves. */
function Mark({ item }) {
	const said = notes(item);
	if (said.length === 0) return null;
	const [[mark]] = said;
	const words = said.map(([, sentence]) => sentence).join("\n");
	return html`<button class="tag" data-note=${mark} title=${words} popovertarget="told" onClick=${tell}>${t(`note.${mark}`)}</button>`;
}

function Told() {
	const { words, left, top } = told.value;
	return html`<div id="told" popover="auto" style=${{ left: `${left}px`, top: `${top}px` }}>${words}</div>`;
}

/** As few elements as can be: a tall screen has fifty. */
function Row({ item, index, isFresh, isOn }) {
	const { source, session_id: id, project, last_at, model, models, spent, cost_usd, has_fallen, folded } = item;
	const open = ({ target }) => target.closest("td button:not(.open)") || openSession(item);
	return html`<tr class=${(isFresh ? "fresh " : "") + (isOn ? "on" : "") || undefined} aria-rowindex=${index + 2} data-task=${id} data-tool=${source} tabindex="-1" onClick=${open}>
		<td class="id" title=${id}><button class="open" aria-label=${t("session.open", { name: nameOf(item) })}>${item.label && !embedded && html`<span class="soft">${when(item.started_at, "day")} </span>`}${nameOf(item)}</button>${folded > 0 && html`<span class="tag" title=${tn("row.folded", folded)}>+${folded}</span>`}${isFresh && !item.label && html`<em>${t("row.new")}</em>`}</td>
		<td class=${`of s${slotOf(source)}`} title=${embedded ? null : project}>${titleOf(source)}${project && !embedded && html` <span class="soft">${project}</span>`}</td>
		<td class="name">${ModelName({ id: model, tag: "button", onClick: () => choose("model", model) })}${models > 1 && html`<span class="tag" title=${tn("models", models)}>+${models - 1}</span>`}${Mark({ item })}</td>
		${Ago({ ms: last_at, tag: "td", class: "when soft" })}
		${numbers(spent, has_fallen || folded ? undefined : cost_usd, item.unknown.length > 0)}</tr>`;
}

function Head() {
	const { sort, order } = state.value;
	const column = (name) => {
		const direction = sort === name ? order : null;
		return html`<th scope="col" aria-sort=${direction && `${direction}ending`} onClick=${() => chooseSort(name)}>
			<button>${t(`col.${name}`)}${direction && html`<span aria-hidden="true">${{ asc: " ↑", desc: " ↓" }[direction]}</span>`}</button></th>`;
	};
	return html`<thead><tr aria-rowindex="1">${COLUMNS.map(column)}</tr></thead>`;
}

function Sort() {
	const { sort, order } = state.value;
	return html`<div class="sort"><label>${t("sort")} <select value=${sort} onChange=${({ target }) => chooseSort(target.value)}>
		${COLUMNS.map((name) => html`<option value=${name} selected=${name === sort}>${t(`col.${name}`)}</option>`)}</select></label>
		<button class="ghost" onClick=${() => chooseSort(sort)} aria-label=${t("sort.turn")}>${order === "asc" ? "↑" : "↓"}</button></div>`;
}

function Foot() {
	const { totals } = rows.value;
	const without = totals.unpriced_requests;
	return html`<tfoot><tr><th scope="row" colspan="4">${tn("table.sum", totals.sessions)} ${without > 0 && html`<span class="tag">${tn("gaps.unpriced", without)}</span>`}</th>
		${numbers(totals)}</tr></tfoot>`;
}

function find(pages, wanted) {
	const id = wanted && keyOf(wanted);
	for (const [page, items] of pages) {
		const place = items.findIndex((item) => keyOf(item) === id);
		if (place >= 0) return page * PAGE + place;
	}
	return -1;
}

/** After new numbers the row under the eye stays where it is. */
function useAnchor(depth, last) {
	const anchor = useRef({});
	useLayoutEffect(() => {
		const { pages } = rows.value;
		const { state } = shown.value ?? {};
		const known = anchor.current;
		if (known.depth > 0 && known.state === state && known.pages !== pages) {
			let [index, place] = [Math.floor(known.depth / rowHeight()), -1];
			while (index < known.last && (place = find(pages, at(known.pages, index))) < 0) index++;
			const top = place < 0 ? 0 : (place - index) * rowHeight();
			if (top) scrollBy({ top, behavior: "instant" });
			depth.current += top;
		}
		anchor.current = { state, pages, last, depth: depth.current };
	});
}

function useSlice(body, depth, total) {
	const [slice, setSlice] = useState([0, 20]);
	const real = (index) => Math.max(0, Math.min(index, total));
	useEffect(() => {
		let frame = 0;
		const look = () => {
			frame = 0;
			if (!body.current) return;
			const { top } = body.current.getBoundingClientRect();
			depth.current = body.current.previousElementSibling.offsetHeight - top;
			const size = measure();
			const next = [Math.ceil(-top / size) - OVERSCAN, Math.ceil((innerHeight - top) / size) + OVERSCAN];
			setSlice((old) => (String(old) === String(next) ? old : next));
			const [first, last] = next.map(real);
			wantPages(Math.floor(first / PAGE), Math.floor(Math.max(0, last - 1) / PAGE));
		};
		const later = () => (frame ||= requestAnimationFrame(look));
		const moved = new ResizeObserver(later); // what opens above moves it, too
		moved.observe(document.body);
		look();
		addEventListener("scroll", later);
		addEventListener("resize", later);
		return () => {
			moved.disconnect();
			cancelAnimationFrame(frame);
			removeEventListener("scroll", later);
			removeEventListener("resize", later);
		};
	}, [total]);
	return slice.map(real);
}

/** Rows that are not in the document, or not read yet. */
const Gap = ({ count, wait }) => html`<tr class=${wait ? "gap wait" : "gap"} aria-hidden="true"
	style=${{ height: `${count * rowHeight()}px` }}>${wait && html`<td colspan="8"></td>`}</tr>`;

/** The section that Kimi Proxy's users know has its name, its last import and its button. */
function Heading() {
	const { total, totals } = rows.value;
	const isOwn = isCline.value && !embedded;
	return html`<div class="head"><h2>${t(isOwn ? "title.cline" : "table.title")} <span class="soft count">${whole(totals?.sessions ?? 0)}</span></h2>
		${isOwn && html`<${LastImport} /><${ImportButton} />`}${total > 1 && html`<${Sort} />`}</div>`;
}

export function Sessions() {
	const body = useRef(null);
	const { total, pages } = rows.value;
	const depth = useRef(0);
	const [first, last] = useSlice(body, depth, total);
	useAnchor(depth, last);
	const list = [];
	let missing = 0;
	for (let index = first; index <= last; index++) {
		const item = index < last && at(pages, index);
		if (missing && (item || index === last)) list.push(html`<${Gap} key=${`w${index}`} count=${missing} wait />`);
		missing = item ? 0 : missing + 1;
		if (!item) continue;
		const key = keyOf(item);
		list.push(html`<${Row} key=${key} item=${item} index=${index} isFresh=${fresh.value.get(key) > minute.value} isOn=${selected.value === key} />`);
	}
	return html`<section class="panel-box tasks" aria-label=${t("table.title")} id="tasks"><${Heading} />
		${total === 0 && html`<p class="empty soft" data-field="empty">${t("table.empty")} <button class="primary" onClick=${showAll}>${t("table.all")}</button></p>`}
		<table style=${columnWords()} aria-rowcount=${total + 1} hidden=${total === 0}><${Head} />
			<tbody ref=${body}><${Gap} key="above" count=${first} />${list}<${Gap} key="below" count=${total - last} /></tbody><${Foot} /></table>
		<${Told} />${total > last - first && html`<p class="print-only" data-field="printed-rows">${t("print.rows", { n: whole(last - first), total: whole(total) })}</p>`}</section>`;
}
