// One session: its course, its kinds of tokens, its requests, what started it and what it started.
import { useEffect, useState } from "../../vendor/preact-hooks.js";
import { signal } from "../../vendor/signals-core.js";
import { getSession, getSummary, patchSession } from "../api.js";
import { asked, openSession } from "../asked.js";
import { share } from "../format.js";
import { locale, t, tn, told } from "../i18n.js";
import { openPrices } from "../prices.js";
import { addDays, barFor, midnight, zone } from "../period.js";
import { slotOf } from "../slots.js";
import { sources } from "../sources.js";
import { embedded } from "../state.js";
import { keyOf, loadedAt, summary } from "../store.js";
import { LACKS, addUsd, cacheWrites, tokensOf } from "../sums.js";
import { Lack } from "./lacks.js";
import { Ago, BigCost, Complaint, Cost, Loading, ModelName, Money, StateTag, Swatch, Tokens, amount, columnWords, copyText, html, nameOf, short, titleOf, valueOfPlan, when, whole } from "./parts.js";
import { Wished } from "./sheet.js";

const PAGE = 50;
const KINDS = ["input_tokens", "cache_read_tokens", "cache_write_5m_tokens", "cache_write_1h_tokens", "output_tokens", "reasoning_tokens"];

const answer = signal(null); // {of, detail} or {of, code}

/** The cost of everything on the day of its last activity, of which its own part is known; never in a frame. */
async function readDay({ last_at, bucket }) {
	const from = midnight(last_at);
	if (embedded || ["week", "month"].includes(bucket)) return null;
	const { totals } = await getSummary({ from, to: addDays(from, 1), bucket: "day", by: "source", tz: zone(), brief: true });
	return { from, cost_usd: totals.cost_usd };
}

let newest = null;

/** Reads it for the dialog. */
async function read({ offset, ...of }) {
	const mine = (newest = getSession({ ...of, limit: PAGE, offset, tz: zone() }));
	try {
		const detail = await mine;
		const day = await readDay(detail);
		if (mine === newest) answer.value = { of: keyOf(of), detail: { ...detail, day } };
	} catch (error) {
		if (mine === newest) answer.value = { of: keyOf(of), code: error.code ?? "internal_error" };
		if (!error.code) throw error;
	}
}

/** Cost over its life, or tokens where it has no price. */
function Course({ detail }) {
	const isCost = detail.cost_usd > 0;
	const value = (point) => (isCost ? point.cost_usd : tokensOf(point)) ?? 0;
	const most = Math.max(...detail.series.map(value));
	if (!(most > 0) || detail.series.length < 2) return null;
	const words = isCost ? amount : short;
	const size = 100 / detail.series.length;
	const label = t("session.course", { total: words(isCost ? detail.cost_usd : tokensOf(detail)), bar: t(`chart.per.${barFor(detail)}`).toLocaleLowerCase(locale.value) });
	return html`<svg class="course" viewBox="0 0 100 30" preserveAspectRatio="none" role="img" aria-label=${label}>
		${detail.series.map((point, i) => {
			const height = value(point) > 0 ? Math.max(0.8, (29 * value(point)) / most) : 0;
			return height > 0 && html`<rect key=${point.start} x=${i * size + size * 0.1} width=${size * 0.8} y=${30 - height} height=${height}><title>${when(point.start, "hour")}: ${words(value(point))}</title></rect>`;
		})}</svg><p class="soft ends"><span>${when(detail.from, "hour")}</span><span>${when(detail.to, "hour")}</span></p>`;
}

/** The user's own name; without one it is called by its start. */
function Label({ detail: { source, session_id, label } }) {
	const [code, setCode] = useState(null);
	const save = (event) => {
		event.preventDefault();
		patchSession({ source, session_id }, { label: event.target.elements.label.value }).then(() => setCode(null, asked.value && read(asked.value)), ({ code }) => setCode(code ?? "internal_error"));
	};
	return html`<${Complaint} code=${code} /><form key=${session_id} onSubmit=${save}><input name="label" maxlength="200" autocomplete="off" defaultValue=${label ?? ""} placeholder=${t("session.label")} aria-label=${t("session.label")} /><button class="small">${t("terms.save")}</button></form>`;
}

/** "39% on Nov 28". */
function partOfDay({ day, series }) {
	if (!(day?.cost_usd > 0)) return null;
	const own = addUsd(series.filter(({ start }) => start >= day.from && start < addDays(day.from, 1)).map(({ cost_usd }) => cost_usd));
	return own > 0 && t("session.day.part", { share: share(own, day.cost_usd, locale.value), day: when(day.from, "day") });
}

function Facts({ detail }) {
	const { input_tokens: input, cache_read_tokens: cached, cost_usd: usd } = detail;
	const each = 1e6 / tokensOf(detail);
	const facts = {
		started: when(detail.started_at, "hour"),
		last: html`<${Ago} ms=${detail.last_at} />`,
		calls: detail.request_count > 0 ? whole(detail.request_count) : t("session.total"),
		model: html`<${ModelName} id=${detail.model} />${detail.models > 1 ? ` ${tn("models.more", detail.models - 1)}` : ""}`,
		project: detail.project,
		cached: cached > 0 && share(cached, (input ?? 0) + cached + (cacheWrites(detail) ?? 0), locale.value),
		day: partOfDay(detail),
		rate: (usd > 0 || valueOfPlan(detail)) && !detail.unpriced_requests && html`<${Cost} sum=${{ cost_usd: usd * each, plan_value_usd: detail.plan_value_usd * each }} />`,
	};
	return html`<dl class="facts">${Object.entries(facts).filter(([, value]) => value).map(([name, value]) => html`<div><dt>${t(`session.${name}`)}</dt><dd>${value}</dd></div>`)}</dl>`;
}

function Kinds({ detail }) {
	const known = KINDS.filter((kind) => (detail[kind] ?? null) !== null);
	const bases = Object.entries(detail.cost_basis).filter(([, usd]) => usd > 0);
	return html`<table class="kinds"><tbody>${known.map((kind) => html`<tr><th scope="row">${t(`kind.${kind}`)}</th><td>${whole(detail[kind])}</td></tr>`)}
		${bases.map(([name, usd]) => html`<tr><th scope="row">${t("metric.cost")}, ${t(`basis.${name}`)}</th><td><${Money} usd=${usd} /></td></tr>`)}
		${detail.compared.filter(({ requests }) => requests > 0).map((each) => html`<tr><th scope="row">${t("session.compared")} <${ModelName} id=${each.model} /></th><td><${Money} usd=${each.list_cost_usd} /> <span class="soft">${t("session.difference", { usd: amount(each.difference_usd) })}</span></td></tr>`)}</tbody></table>
		${detail.unpriced_requests > 0 && !embedded && html`<p><button class="link" onClick=${() => openPrices(detail.model ?? "")}>${t("price.open")}</button></p>`}`;
}

function Missing({ detail }) {
	const counts = LACKS.map((name) => [name, detail[`${name}_requests`]]).filter(([, n]) => n > 0);
	const unwritten = sources.value.find(({ id }) => id === detail.source)?.gaps ?? [];
	return html`${counts.length > 0 && html`<ul class="missing">${counts.map((one) => html`<li><${Lack} one=${one} /></li>`)}</ul>`}
		${unwritten.length > 0 && html`<details class="unwritten"><summary class="soft">${t("gaps.unwritten", { sources: titleOf(detail.source) })}</summary><ul>${unwritten.map(({ kind, title }) => html`<li class="soft">${told(`gap.${detail.source}.${kind}`, title)}</li>`)}</ul></details>`}`;
}

const Other = ({ source, one }) => html`<button class="link" onClick=${() => openSession({ ...one, source })} title=${one.session_id}>${nameOf(one)}</button>`;

function Family({ detail: { source, parent, family } }) {
	const above = family.find(({ session_id: id }) => id === parent);
	const below = family.filter((one) => one !== above);
	return html`${above && html`<p>${t("session.parent")} <${Other} source=${source} one=${above} /></p>`}
		${below.length > 0 && html`<div class="children"><p>${t("session.children")}</p><table><tbody>${below.map((one) => html`<tr key=${one.session_id}>
			<th scope="row"><${Other} source=${source} one=${one} /></th><td class="name"><${ModelName} id=${one.model} /> <${StateTag} state=${one.state} /></td><td><${Cost} sum=${one} /></td></tr>`)}</tbody></table></div>`}`;
}

function Request({ request }) {
	const cached = (request.cache_read_tokens ?? 0) + (request.cache_write_5m_tokens ?? 0) + (request.cache_write_1h_tokens ?? 0);
	const mark = request.kind === "growth" ? ["growth", t("request.growth")] : request.state !== "final" && [request.state, t(`request.${request.state}`)];
	const unknown = request.unknown.length > 0 && t("note.unknown.why", { fields: request.unknown.join(", ") });
	const why = [request.cost_usd !== null && t(`basis.${request.cost_basis}.why`), request.listed_as && `${request.listed_as} (${request.price_list})`].filter(Boolean).join("\n");
	return html`<tr><th scope="row">${when(request.at, "second")}</th>
		<td class="name"><${ModelName} id=${request.model} />${mark && html` <span class="tag" data-request=${mark[0]} title=${t(`request.${mark[0]}.why`)}>${mark[1]}</span>`}${unknown && html` <span class="tag" title=${unknown}>${t("note.unknown")}</span>`}</td>
		<${Tokens} tag="td" class="in" n=${request.input_tokens} /><${Tokens} tag="td" class="cache" n=${cached || request.cache_read_tokens} /><${Tokens} tag="td" class="out" n=${request.output_tokens} />
		<td title=${why}><${Cost} sum=${request} />${request.cost_usd !== null && request.cost_basis !== "recorded" && html` <span class="soft">${t(`basis.${request.cost_basis}.short`)}</span>`}</td></tr>`;
}

function Requests({ detail }) {
	const { offset, limit, total, requests } = detail;
	if (total === 0) return null;
	const turn = (to) => () => (asked.value = { ...asked.value, offset: to });
	return html`<div class="head"><h3>${t("session.requests")} <span class="soft count">${whole(offset + 1)}–${whole(offset + requests.length)} / ${whole(total)}</span></h3>
		${total > limit && html`<button class="quiet" disabled=${offset === 0} onClick=${turn(Math.max(0, offset - limit))}>${t("session.newer")}</button>
			<button class="quiet" disabled=${offset + limit >= total} onClick=${turn(offset + limit)}>${t("session.older")}</button>`}</div>
		<div class="requests" style=${columnWords()}><table aria-label=${t("session.requests")}><thead><tr>${["at", "model", "input_tokens", "cache_read_tokens", "output_tokens", "cost_usd"].map((name) => html`<th scope="col">${t(`col.${name}`)}</th>`)}</tr></thead>
			<tbody>${requests.map((request, i) => html`<${Request} key=${offset + i} request=${request} />`)}</tbody></table></div>`;
}

/** Text to paste into a note. */
function textOf(dialog) {
	const words = (element) => element.innerText.trim().replace(/\s+/g, " ");
	const cells = (selector) => [...dialog.querySelectorAll(selector)].map((row) => [...row.children].map(words).join("\t"));
	const requests = cells(".requests tr");
	const lines = [...["h2", ".key code", ".total .big", ".total > .soft"].map((one) => words(dialog.querySelector(one))), ...cells(".facts > div, .kinds tr"), ...[...dialog.querySelectorAll(".missing li")].map(words)];
	return [...lines, ...(requests.length ? ["", ...requests] : [])].join("\n");
}

const COPIED_MS = 2000;

function CopyAll() {
	const [words, say] = useState("");
	const copy = async () => {
		say(t((await copyText(textOf(document.getElementById("session")), t("session.copy"))) ? "session.copied" : "copy.refused"));
		setTimeout(() => say(""), COPIED_MS);
	};
	return html`<span role="status" class="soft">${words}</span><button class="small" data-field="copy-all" onClick=${copy}>${t("session.copy")}</button>`;
}

function Detail({ detail }) {
	const { together } = detail;
	return html`<div class="total"><p class="big" data-field="session-cost"><${BigCost} sum=${detail} /></p><span class="soft"><${Tokens} n=${tokensOf(detail)} /> ${t("session.tokens")}${together.sessions > 1 && html` · ${tn("session.with", together.sessions - 1)} <b data-field="together"><${Cost} sum=${together} /></b>`}</span><${CopyAll} /></div>
		${!embedded && html`<${Label} detail=${detail} />`}<${Course} detail=${detail} /><${Facts} detail=${detail} /><${Family} detail=${detail} /><${Kinds} detail=${detail} /><${Missing} detail=${detail} /><${Requests} detail=${detail} />`;
}

export function SessionPanel() {
	const question = asked.value;
	const moment = summary.value?.commit_seq;
	const { detail, code } = answer.value?.of === (question && keyOf(question)) ? answer.value : {};
	useEffect(() => question && void read(question), [question, moment, code && loadedAt.value]);
	const title = question && html`<${Swatch} slot=${slotOf(question.source)} />${titleOf(question.source)} · ${detail ? nameOf(detail) : "…"} ${detail && html`<${StateTag} state=${detail.state} />`}`;
	return html`<${Wished} wish=${asked} id="session" title=${title}>
		${question && html`<p class="soft key"><code>${question.session_id}</code> <button class="copy" onClick=${() => copyText(question.session_id)} aria-label=${t("copy.id", { id: question.session_id })}></button></p>
			${code ? html`<${Complaint} code=${code} />` : detail ? html`<${Detail} detail=${detail} />` : html`<${Loading} />`}`}<//>`;
}
