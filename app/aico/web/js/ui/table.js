// The tasks: a window over pages of the server.
import { useEffect, useLayoutEffect, useRef, useState } from "../../vendor/preact-hooks.js";
import { signal } from "../../vendor/signals-core.js";
import { minute } from "../clock.js";
import { moneyColumn } from "../format.js";
import { locale, t, tn } from "../i18n.js";
import { COLUMNS, chooseModel, chooseSort, showAll, state } from "../state.js";
import { PAGE, fresh, rows, shown, wantPages } from "../store.js";
import { Ago, ModelName, copyText, exact, html, isUnpriced, whole } from "./parts.js";
import { selected } from "../selection.js";

const OVERSCAN = 2;
const COPIED_MS = 1600;
const TOLD_WIDTH = 332; // with its distance from the edge
const copied = signal({}); // {id, mark} for a moment
const told = signal({}); // {words, left, top} of the mark that was pressed last
const label = (name) => JSON.stringify(t(`col.${name}.short`)); // words for the style sheet

let height = 0; // asked for once per look: it costs a style pass
const measure = () => (height = Number.parseInt(getComputedStyle(document.documentElement).getPropertyValue("--row"), 10));
const rowHeight = () => height || measure();
const headHeight = (body) => body.previousElementSibling.offsetHeight;
const at = (pages, index) => pages.get(Math.floor(index / PAGE))?.[index % PAGE];

function numbers(spent, lifetime = spent.total_cost) {
	const usd = spent.total_cost;
	const [head, tail, end] = moneyColumn(usd, locale.value);
	const partly = lifetime !== usd && t("cost.part", { exact: exact(usd), lifetime: exact(lifetime) });
	const count = (name) => html`<td class=${name}>${whole(spent[`tokens_${name}`])}</td>`;
	return html`${count("in")}${count("out")}${isUnpriced(spent)
		? html`<td class="cost" title=${t("unpriced.why")}><span class="tag">${t("unpriced")}</span></td>`
		: html`<td class="cost" title=${partly || exact(usd)}>${head}<span class="soft">${tail}</span>${end}</td>`}`;
}

/** The weightiest first: [mark, sentence]. */
function notes({ state, unstated, unknown, has_fallen, total_cost, tokens_in, tokens_out }) {
	const isSilent = unstated.length === 3 && unknown.length === 0 && state !== "running";
	const why = (mark, values) => [mark, t(`note.${mark}.why`, values)];
	return [
		state === "running" && why("running"),
		isSilent && [["interrupted", "failed"].includes(state) ? state : "silent", t("note.silent.why")],
		has_fallen && why("fallen", { cost: exact(total_cost), in: whole(tokens_in), out: whole(tokens_out) }),
		unknown.length > 0 && why("unknown", { fields: unknown.join(", ") }),
	].filter(Boolean);
}

/** Where nothing hovers, and for the keyboard. */
function tell({ currentTarget: mark }) {
	const { left, bottom } = mark.getBoundingClientRect();
	told.value = { words: mark.title, left: Math.max(12, Math.min(left, innerWidth - TOLD_WIDTH)) + scrollX, top: bottom + 4 + scrollY };
}

/** One a row, whatever there is to say: nothing moves. */
function Mark({ task }) {
	const store = task.store !== "ledger" && task.store;
	const said = notes(task);
	if (store && task.unstated.length < 3) said.push(["store", `${t("store.label")} – ${t(`store.${store}`)}`]);
	if (said.length === 0) return null;
	const [[mark]] = said;
	const words = said.map(([, sentence]) => sentence).join("\n");
	if (mark === "store") return html`<span class="tag" data-store=${store} title=${words}>${t("store.mark")}</span>`;
	return html`<button class="tag" data-store=${store} data-note=${mark} title=${words} popovertarget="told" onClick=${tell}>${t(`note.${mark}`)}</button>`;
}

function Told() {
	const { words, left, top } = told.value;
	return html`<div id="told" popover="auto" style=${{ left: `${left}px`, top: `${top}px` }}>${words}</div>`;
}

async function copy(id) {
	const mark = (await copyText(id)) ? "✓" : "✗";
	copied.value = { id, mark };
	setTimeout(() => {
		if (copied.value.id === id) copied.value = {};
	}, COPIED_MS);
}

/** As few elements as can be: a tall screen has fifty. */
function Row({ task, index, isFresh, isOn, mark }) {
	const { task_id: id, ts, model_id: model, spent, total_cost, has_fallen } = task;
	return html`<tr class=${(isFresh ? "fresh " : "") + (isOn ? "on" : "") || undefined} aria-rowindex=${index + 2} data-task=${id} tabindex="-1">
		<td class="id" title=${id}>${id}<button class="copy" onClick=${() => copy(id)} aria-label=${t("copy.id", { id })}>${mark}</button>${isFresh && html`<em>${t("row.new")}</em>`}</td>
		<td class="when soft">${Ago({ ms: ts })}</td>
		<td class="name">${ModelName({ id: model, tag: "button", onClick: () => chooseModel(model) })}${Mark({ task })}</td>
		${numbers(spent, has_fallen ? undefined : total_cost)}</tr>`;
}

function Head() {
	const { sort, order } = state.value;
	const column = (name) => {
		const direction = sort === name ? order : null;
		return html`<th scope="col" aria-sort=${direction && `${direction}ending`}>
			<button onClick=${() => chooseSort(name)}>${t(`col.${name}`)}<span aria-hidden="true">${{ asc: " ↑", desc: " ↓" }[direction]}</span></button></th>`;
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
	const { totals, total } = rows.value;
	const without = totals.unpriced_task_count;
	return html`<tfoot><tr><th scope="row" colspan="3">${tn("table.sum", total)} ${without > 0 && html`<span class="tag">${tn("unpriced.count", without)}</span>`}</th>
		${numbers(totals)}</tr></tfoot>`;
}

function find(pages, id) {
	for (const [page, items] of pages) {
		const place = items.findIndex((task) => task.task_id === id);
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
			while (index < known.last && (place = find(pages, at(known.pages, index)?.task_id)) < 0) index++;
			const top = place < 0 ? 0 : (place - index) * rowHeight();
			if (top) scrollBy({ top, behavior: "instant" });
			depth.current += top;
		}
		anchor.current = { state, pages, last, depth: depth.current };
	});
}

function useSlice(body, depth, total) {
	const [slice, setSlice] = useState([0, 20]);
	useEffect(() => {
		let frame = 0;
		const look = () => {
			frame = 0;
			const { top } = body.current.getBoundingClientRect();
			depth.current = headHeight(body.current) - top;
			const size = measure();
			const row = (y) => Math.max(0, Math.min(total, Math.ceil((y - top) / size)));
			const next = [row(-OVERSCAN * size), row(innerHeight + OVERSCAN * size)];
			setSlice((old) => (String(old) === String(next) ? old : next));
			wantPages(Math.floor(next[0] / PAGE), Math.floor(Math.max(0, next[1] - 1) / PAGE));
		};
		const later = () => {
			frame ||= requestAnimationFrame(look);
		};
		look();
		addEventListener("scroll", later, { passive: true });
		addEventListener("resize", later);
		return () => {
			cancelAnimationFrame(frame);
			removeEventListener("scroll", later);
			removeEventListener("resize", later);
		};
	}, [total]);
	return slice.map((index) => Math.min(index, total));
}

/** Rows that are not in the document, or not read yet. */
const Gap = ({ count, wait }) => html`<tr class=${wait ? "gap wait" : "gap"} aria-hidden="true"
	style=${{ height: `${count * rowHeight()}px` }}>${wait && html`<td colspan="6"></td>`}</tr>`;

export function Tasks() {
	const body = useRef(null);
	const { total, pages } = rows.value;
	const depth = useRef(0);
	const [first, last] = useSlice(body, depth, total);
	useAnchor(depth, last);
	const list = [];
	let missing = 0;
	for (let index = first; index <= last; index++) {
		const task = index < last && at(pages, index);
		const id = task?.task_id;
		if (missing && (task || index === last)) list.push(html`<${Gap} key=${`w${index}`} count=${missing} wait />`);
		missing = task ? 0 : missing + 1;
		if (task) list.push(html`<${Row} key=${id} task=${task} index=${index} isFresh=${fresh.value.get(id) > minute.value} isOn=${selected.value === id} mark=${copied.value.id === id && copied.value.mark} />`);
	}
	return html`<section class="panel-box tasks" aria-label=${t("table.title")} id="tasks">
		<div class="head"><h2>${t("table.title")} <span class="soft count">${whole(total)}</span></h2>${total > 1 && html`<${Sort} />`}</div>
		${total === 0 && html`<p class="empty soft" data-field="empty">${t("table.empty")} <button class="primary" onClick=${showAll}>${t("table.all")}</button></p>`}
		<table style=${{ "--in": label("in"), "--out": label("out") }} aria-rowcount=${total + 1} hidden=${total === 0}><${Head} />
			<tbody ref=${body}><${Gap} key="above" count=${first} />${list}<${Gap} key="below" count=${total - last} /></tbody><${Foot} /></table>
		<${Told} />${total > last - first && html`<p class="print-only" data-field="printed-rows">${t("print.rows", { n: whole(last - first), total: whole(total) })}</p>`}</section>`;
}
