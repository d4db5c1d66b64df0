// Cost or tokens over time: uPlot paints, this file decides what.
import { useLayoutEffect, useMemo, useRef } from "../../vendor/preact-hooks.js";
import uPlot from "../../vendor/uplot.js";
import { UNKNOWN, moneyAxis } from "../format.js";
import { locale, t } from "../i18n.js";
import { knownUntil } from "../live.js";
import { DAY, HOUR, QUARTER, barFor, barStart, bars, zone } from "../period.js";
import { chooseRange, isNarrowed, show, state } from "../state.js";
import { before, metric, shown, status, summary } from "../store.js";
import { color, painted } from "../theme.js";
import { Segmented, amount, html, short, when } from "./parts.js";

const HEIGHT = 264;
const BUDGET_REACH = 3; // a budget this many times above the curve would flatten it: it is then left off

const isCost = () => metric.value === "cost";
const words = (value) => (isCost() ? amount(value) : short(value));
const value = (point) => (isCost() ? point.total_cost : point.tokens_in + point.tokens_out);

const ghostSeries = () => (before.value?.series.some((point) => value(point) !== 0) ? before.value.series : null);

/** Running sums from zero: [x, before, now]; null where nothing is known yet. */
function cumulative(now) {
	const { series, to } = summary.value;
	const ghost = ghostSeries();
	const lines = [[], [], []];
	let sum = 0;
	let earlier = 0;
	const add = (ms, isKnown) => [ms / 1000, ghost ? earlier : null, isKnown ? sum : null].forEach((y, i) => lines[i].push(y));
	if (series.length) add(series[0].start, true);
	series.forEach((point, i) => {
		const end = series[i + 1]?.start ?? to;
		const step = ghost?.[i] ? value(ghost[i]) : 0;
		sum = isCost() ? point.cumulative_cost : sum + value(point);
		const part = (now - point.start) / (end - point.start);
		if (part > 0 && part < 1) {
			earlier += step * part;
			add(now, true);
			earlier -= step * part;
		}
		earlier += step;
		add(end, part >= 1);
	});
	return lines;
}

const perBarWords = () => t(`chart.per.${barFor(summary.value)}`);

function perBar(now) {
	const bar = barFor(summary.value);
	const current = bars(summary.value.series, bar, value);
	const ghost = bars(ghostSeries() ?? [], bar, value);
	return [
		current.map(([start]) => start / 1000),
		current.map((_, i) => ghost[i]?.[1] ?? null),
		current.map(([start, sum]) => (start <= now ? sum : null)),
	];
}

function budgetLine() {
	const asked = shown.value.state;
	if (!status.value.budget || !isCost() || isNarrowed(asked)) return null;
	const { daily_usd, monthly_usd } = status.value.budget;
	if (state.value.chart === "bars") return barFor(summary.value) === "day" ? daily_usd : null;
	return { today: daily_usd, month: monthly_usd }[asked.period];
}

/** What lies before we watched is shaded; the budget is a line. */
function paintBehind({ bbox: { left, top, width, height }, ctx, scales, valToPos }) {
	ctx.save();
	const since = summary.value.exact_since / 1000;
	if (since > scales.x.min) {
		const edge = Math.min(left + width, valToPos(since, "x", true));
		ctx.fillStyle = color("shade");
		ctx.fillRect(left, top, edge - left, height);
		ctx.fillStyle = color("rule");
		ctx.fillRect(edge - 1, top, 1, height);
	}
	const budget = budgetLine();
	if (budget <= scales.y.max) {
		const y = valToPos(budget ?? -1, "y", true);
		ctx.fillStyle = color("warn");
		for (let x = left; budget && x < left + width; x += 7) ctx.fillRect(x, y, 3, 1);
	}
	ctx.restore();
}

/** At midnight an axis of hours names the day. The last tick would be cut off. */
function timeTicks(plot, ticks, axis, space, step) {
	const isMidnight = (s) => new Date(s * 1000).getHours() + new Date(s * 1000).getMinutes() === 0;
	const style = (s) => (step >= 2_419_200 ? "month" : step >= 86_400 || isMidnight(s) ? "day" : "clock");
	return ticks.map((s) => (s < plot.scales.x.max ? when(s * 1000, style(s)) : ""));
}

function yRange(plot, low, high) {
	const budget = budgetLine() ?? 0;
	const top = budget <= BUDGET_REACH * high ? Math.max(budget, high) : high;
	return [0, (top || 1) * 1.06];
}

function zoom(plot) {
	const { left, width } = plot.select;
	if (width < 6) return;
	plot.setSelect({ left: 0, width: 0, top: 0, height: 0 }, false);
	const at = (x) => Math.round((plot.posToVal(x, "x") * 1000) / QUARTER) * QUARTER;
	const [from, to] = [at(left), at(left + width)];
	// Of several days, whole days are meant.
	if (to - from > 3 * DAY) chooseRange(barStart(from, "day"), barStart(to + DAY - 1, "day"));
	else chooseRange(from, Math.max(to, from + HOUR));
}

function point(plot, tip) {
	const { idx, left } = plot.cursor;
	const [ms, then, now] = plot.data.map((line) => line[idx] ?? null);
	tip.hidden = left < 0 || (now ?? then) === null;
	if (tip.hidden) return;
	const texts = [when(ms * 1000, "hour"), now === null ? "" : words(now), then === null ? "" : `${t("chart.before")} ${words(then)}`];
	texts.forEach((text, i) => {
		tip.children[i].textContent = text;
	});
	const x = left + plot.over.offsetLeft;
	const isRight = left > plot.over.clientWidth / 2;
	tip.style.left = isRight ? "auto" : `${x + 12}px`;
	tip.style.right = isRight ? `${plot.root.clientWidth - x + 12}px` : "auto";
}

function options(width, isBars, tip) {
	const axis = { font: `11px ${getComputedStyle(document.body).fontFamily}`, stroke: color("muted"), ticks: { show: false }, gap: 8 };
	const accent = color("accent");
	const paths = isBars ? uPlot.paths.bars({ size: [0.62, 36], align: 1, radius: 0.15 }) : uPlot.paths.linear();
	const line = { paths, points: { show: false } };
	const series = isBars
		? [{ ...line, fill: color("bar-ghost") }, { ...line, fill: accent, width: 0 }]
		: [{ ...line, stroke: color("ghost"), width: 1.5, dash: [4, 4] }, { ...line, stroke: accent, fill: color("area"), width: 2 }];
	const tick = (y, step) => (isCost() ? moneyAxis(y, locale.value, step) : short(y));
	return {
		width,
		height: HEIGHT,
		padding: [10, 14, 0, 0],
		legend: { show: false },
		cursor: {
			drag: { x: true, y: false, setScale: false },
			y: false,
			points: { show: !isBars, size: 7, fill: accent, stroke: color("panel"), width: 2 },
		},
		scales: { x: { range: () => [summary.value.from / 1000, summary.value.to / 1000] }, y: { range: yRange } },
		axes: [
			{ ...axis, values: timeTicks, grid: { show: false }, space: 84, size: 30 },
			{
				...axis,
				values: (plot, ticks, a, space, step) => ticks.map((y) => tick(y, step)),
				grid: { stroke: color("grid"), width: 1 },
				size: (plot, texts) => 20 + 6.2 * Math.max(3, ...(texts ?? []).map((text) => text.length)),
				space: 44,
			},
		],
		series: [{}, ...series],
		hooks: { drawAxes: [paintBehind], setSelect: [zoom], setCursor: [(plot) => point(plot, tip)] },
	};
}

function Plot({ data, label }) {
	const box = useRef(null);
	const tip = useRef(null);
	const plot = useRef(null);
	const isBars = state.value.chart === "bars";
	useLayoutEffect(() => {
		const made = new uPlot(options(box.current.clientWidth, isBars, tip.current), data, box.current);
		plot.current = made;
		const resized = new ResizeObserver(() => made.setSize({ width: box.current.clientWidth, height: HEIGHT }));
		resized.observe(box.current);
		return () => {
			resized.disconnect();
			made.destroy();
		};
	}, [isBars, metric.value, painted.value, locale.value]); // new numbers alone do not make a new plot
	useLayoutEffect(() => {
		if (plot.current.data !== data) plot.current.setData(data);
	}, [data]);
	return html`<div class="plot" ref=${box} role="img" aria-label=${label}>
		<div class="tip" ref=${tip} hidden><span></span><b></b><span></span></div></div>`;
}

function AsTable() {
	const bar = barFor(summary.value);
	const style = { "15m": "hour", hour: "hour", day: "weekday", week: "date", month: "month" }[bar];
	const ghost = ghostSeries() && bars(ghostSeries(), bar, value);
	const columns = [t("import.at"), perBarWords(), ghost && t("chart.before"), t("chart.cumulative")].filter(Boolean);
	let total = 0;
	const lines = bars(summary.value.series, bar, value)
		.filter(([start]) => start <= knownUntil.value)
		.map(([start, sum], i) => [start, sum, ghost?.[i]?.[1], (total += sum)]);
	return html`<div class="astable" tabindex="0" role="region" aria-label=${t("chart.table")}><table>
		<thead><tr>${columns.map((words) => html`<th scope="col">${words}</th>`)}</tr></thead>
		<tbody>${lines.reverse().map(([start, sum, then, running]) => html`<tr key=${start}>
			<th scope="row">${when(start, style)}</th><td>${words(sum)}</td>${ghost && html`<td class="soft">${then === undefined ? UNKNOWN : words(then)}</td>`}<td>${words(running)}</td></tr>`)}</tbody></table></div>`;
}

function Legend() {
	const { exact_since: since, from } = summary.value;
	const { chart, table } = state.value;
	const budget = budgetLine();
	const drawn = () => html`<span><i></i>${t("chart.current")}</span>
		${ghostSeries() && html`<span><i class="then"></i>${t("chart.before")}</span>`}
		${budget && html`<span><i class="limit"></i>${t("chart.budget", { budget: amount(budget) })}</span>`}`;
	return html`<p class=${`legend ${chart}`}>${!table && drawn()}
		${since > from && html`<span title=${t("exact.why")} data-field="exact">${!table && html`<i class="dated"></i>`}${t("exact.since", { at: when(since, "day") })}</span>`}</p>`;
}

export function Chart() {
	const { chart, table } = state.value;
	const known = [summary.value, before.value, metric.value, chart, knownUntil.value];
	const data = useMemo(() => (chart === "bars" ? perBar : cumulative)(knownUntil.value), known);
	const title = t(`chart.title.${metric.value}`);
	const total = words(value(summary.value.totals));
	const kinds = [["cumulative", t("chart.cumulative")], ["bars", perBarWords()]];
	return html`<section class="panel-box chart" aria-label=${title}>
		<div class="head"><h2>${title} <span class="soft count" title=${t("period.zone")} data-field="zone">${zone()}</span></h2>
			<${Segmented} label=${t("chart.kind")} chosen=${chart} options=${kinds} choose=${(kind) => show({ chart: kind })} />
			<button class="quiet" aria-pressed=${table} onClick=${() => show({ table: !table })}>${t("chart.table")}</button></div>
		${table ? html`<${AsTable} />` : html`<${Plot} data=${data} label=${t("chart.label", { title, total })} />`}
		<${Legend} /></section>`;
}
