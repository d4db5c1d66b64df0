// The statement of a month, for paper: its sums by day, source and model, and its sessions, all of them or none.
import { useEffect, useRef, useState } from "../../vendor/preact-hooks.js";
import { getSessions, getSummary } from "../api.js";
import { minute } from "../clock.js";
import { UNKNOWN, range } from "../format.js";
import { locale, t, tn } from "../i18n.js";
import { monthStart, zone } from "../period.js";
import { hasProjects } from "../sources.js";
import { filterOf, show, state } from "../state.js";
import { keyOf, loadedAt, summary } from "../store.js";
import { LACKS, addBy, cacheWrites, tokensOf } from "../sums.js";
import { plans } from "../terms.js";
import { chosen, dayText } from "./filters.js";
import { say, silent, unwritten } from "./gaps.js";
import { priceOf } from "./glance.js";
import { Complaint, Cost, ModelName, amount, html, titleOf, when, whole, wordsOf } from "./parts.js";

const PAGE = 1000;
const READINGS = 5;
const KINDS = ["input_tokens", "cache_read_tokens", "cache_write_tokens", "output_tokens"];

const isUsed = (point) => point.requests > 0 || tokensOf(point) > 0 || point.cost_usd > 0;
const startOf = (month) => new Date(`${month}-01T00:00`).getTime();
const idOf = (ms) => dayText(ms).slice(0, 7);
const nameOfMonth = (ms) => new Intl.DateTimeFormat(locale.value, { month: "long", year: "numeric" }).format(ms);

/** All sessions of the month, the first one first, and whether they are of one moment with `seq`. */
async function readRows(question, seq) {
	const items = [];
	let isSame = true;
	for (let total = 1; items.length < total;) {
		const page = await getSessions({ ...question, sort: "started_at", order: "asc", limit: PAGE, offset: items.length });
		isSame &&= page.commit_seq === seq;
		total = page.items.length > 0 ? page.total : 0;
		items.push(...page.items);
	}
	return [items, isSame];
}

/** {sums, rows, isMoved} of one moment, if the numbers stand still for long enough. */
async function readMonth(question, withRows) {
	for (let left = READINGS; ; left--) {
		const sums = await getSummary({ ...question, bucket: "day", by: hasProjects.value ? "source,model,project" : "source,model", tz: zone() });
		const [rows, isSame] = withRows ? await readRows(question, sums.commit_seq) : [null, true];
		if (isSame || left === 1) return { sums, rows, isMoved: !isSame };
	}
}

/** The months in which something was used, the newest first. */
async function readMonths(filter) {
	const { series } = await getSummary({ ...filter, bucket: "month", by: "source", tz: zone(), brief: true });
	return series.filter(isUsed).map(({ start }) => idOf(start)).reverse();
}

const Head = ({ name }) => html`<thead><tr><th scope="col">${name}</th><th scope="col">${t("sum.cost")}</th><th scope="col">${t("sum.requests")}</th>${KINDS.map((kind) => html`<th scope="col">${t(`sum.${kind}`)}</th>`)}</tr></thead>`;

const Numbers = ({ sum }) => html`<${Cost} tag="td" sum=${sum} /><td>${sum.requests > 0 ? whole(sum.requests) : UNKNOWN}</td>${[sum.input_tokens, sum.cache_read_tokens, cacheWrites(sum), sum.output_tokens].map((n) => html`<td>${whole(n)}</td>`)}`;

/** A table of sums: [[key, words, sum]], with all of them at its foot. */
const Sums = ({ title, name, list, all }) => html`<section aria-label=${title}><h3>${title}</h3><div class="scroll" tabindex="0" role="group" aria-label=${title}><table><${Head} name=${name} />
	<tbody>${list.map(([key, words, sum]) => html`<tr key=${key}><th scope="row">${words}</th><${Numbers} sum=${sum} /></tr>`)}</tbody>
	<tfoot><tr><th scope="row">${t("groups.all")}</th><${Numbers} sum=${all} /></tr></tfoot></table></div></section>`;

const weight = ([, , sum]) => sum.cost_usd ?? -1;
const byWeight = (list) => list.sort((one, other) => weight(other) - weight(one) || (tokensOf(other[2]) ?? 0) - (tokensOf(one[2]) ?? 0));

function Rows({ rows }) {
	const title = t("table.title");
	return html`<section aria-label=${title}><h3>${title} <span class="soft">${whole(rows.length)}</span></h3><div class="scroll" tabindex="0" role="group" aria-label=${title}><table>
		<thead><tr>${["started_at", "last_at", "source", "model"].map((column) => html`<th scope="col">${t(`col.${column}`)}</th>`)}<th scope="col">${t("metric.tokens")}</th><th scope="col">${t("sum.cost")}</th></tr></thead>
		<tbody>${rows.map((row) => html`<tr key=${keyOf(row)}><th scope="row">${when(row.started_at, "dated")}${row.label && html` <span class="soft">${row.label}</span>`}</th><td>${when(row.last_at, "dated")}</td><td>${titleOf(row.source)}</td>
			<td><${ModelName} id=${row.model} />${row.models > 1 && ` +${row.models - 1}`}</td><td>${whole(tokensOf(row.spent))}</td><${Cost} tag="td" sum=${row.spent} /></tr>`)}</tbody></table></div></section>`;
}

function Month({ of: { sums, rows, isMoved }, from, to }) {
	const { totals, groups, series } = sums;
	const used = series.filter(isUsed);
	const filters = chosen().filter(({ name }) => name !== "period").map(({ words }) => words);
	const facts = [`${range(from, to, locale.value)} (${zone()})`, ...filters, to > minute.value && t("live.asof", { at: when(minute.value, "dated") })].filter(Boolean);
	const lacking = [...LACKS.map((name) => [name, totals[`${name}_requests`]]).filter(([, n]) => n > 0).map(say), unwritten(addBy(groups, "source").map(([id]) => id)), silent(groups)].filter(Boolean);
	const bases = Object.entries(totals.cost_basis).filter(([, usd]) => usd > 0);
	const kinds = ["source", "model", ...(hasProjects.value ? ["project"] : [])];
	return html`<p>${facts.join(" · ")}</p><p class="print-only">${t("print.at", { at: when(minute.value, "dated") })}</p>
		<p class="big" data-field="statement-cost"><${Cost} sum=${totals} /></p>
		<p class="soft">${[...bases.map(([name, usd]) => `${t(`basis.${name}`)} ${amount(usd)}`), tn("table.sum", totals.sessions)].join(" · ")}</p>
		${lacking.length > 0 && html`<p class="soft" data-field="gaps">${t("gaps.title")}${t("colon")} ${lacking.join(" · ")}</p>`}
		${plans.value.length > 0 && html`<p class="soft" data-field="plans">${[t("value.plan", { value: "(…)" }), ...plans.value.map((plan) => t("plan.of", { name: titleOf(plan.source), price: priceOf(plan) }))].join(" · ")}</p>`}
		${used.length === 0 ? html`<p class="empty soft">${t("statement.none")}</p>` : html`
			<${Sums} title=${t("statement.days")} name=${t("statement.day")} list=${used.map((point) => [point.start, when(point.start, "weekday"), point])} all=${totals} />
			${kinds.map((kind) => html`<${Sums} key=${kind} title=${t(`groups.title.${kind}`)} name=${t(`col.${kind}`)} list=${byWeight(addBy(groups, kind).map(([key, sum]) => [key, wordsOf(kind, key), sum]))} all=${totals} />`)}
			${isMoved && html`<p class="warn">${t("statement.moved")}</p>`}${rows && html`<${Rows} rows=${rows} />`}`}`;
}

export function Part() {
	const heading = useRef(null);
	const [months, setMonths] = useState([]);
	const [answer, setAnswer] = useState({}); // {of} or {code}
	const running = useRef(null);
	const { statement: month, rows } = state.value;
	const filter = filterOf(state.value);
	const question = JSON.stringify(filter);
	const from = startOf(month);
	const to = monthStart(from, 1);
	useEffect(() => heading.current.focus(), []);
	useEffect(() => void readMonths(filter).then(setMonths, () => {}), [question]);
	// A month that is over does not change with each commit.
	const seq = to > Date.now() && summary.value.commit_seq;
	const asked = JSON.stringify([question, month, rows]);
	const moment = `${seq} ${answer.code && loadedAt.value}`;
	const { of, code } = answer.asked === asked ? answer : {};
	// One at a time: none might end else.
	useEffect(() => {
		if (running.current === asked || (answer.asked === asked && answer.moment === moment)) return;
		running.current = asked;
		readMonth({ ...filter, from, to }, rows).then((of) => ({ of }), (error) => ({ code: error.code ?? "internal_error" })).then((found) => {
			if (running.current !== asked) return;
			running.current = null;
			setAnswer({ ...found, asked, moment });
		});
	}, [asked, moment, answer]);
	const close = () => {
		show({ statement: null, rows: false });
		document.getElementById("content").focus();
	};
	const listed = [...new Set([...months, month])].sort().reverse();
	return html`<article class="panel-box statement" aria-labelledby="statement-title"><div class="head"><h2 id="statement-title" tabindex="-1" ref=${heading}>${t("statement.title", { month: nameOfMonth(from) })}</h2></div>
		<p class="controls"><label>${t("statement.month")} <select onChange=${({ target }) => show({ statement: target.value })}>${listed.map((one) => html`<option value=${one} selected=${one === month}>${nameOfMonth(startOf(one))}</option>`)}</select></label>
			<label><input type="checkbox" checked=${rows} onChange=${({ target }) => show({ rows: target.checked })} /> ${t("statement.rows")}</label>
			<button class="primary" onClick=${() => print()} disabled=${!of}>${t("statement.print")}</button><button class="small" onClick=${close}>${t("statement.close")}</button></p>
		${code ? html`<${Complaint} code=${code} />` : of ? html`<${Month} of=${of} from=${from} to=${to} />` : html`<p class="empty soft" role="status">${t("loading")}</p>`}</article>`;
}
