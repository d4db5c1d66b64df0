// Cost or tokens over time, stacked by source or model. uPlot has axes, scales and cursor; the layers are painted here.
import { useEffect, useLayoutEffect, useMemo, useRef } from "../../vendor/preact-hooks.js";
import { signal } from "../../vendor/signals-core.js";
import uPlot from "../../vendor/uplot.js";
import { hovered } from "../asked.js";
import { moneyAxis, moneySteps, range } from "../format.js";
import { locale, t } from "../i18n.js";
import { knownUntil } from "../live.js";
import { DAY, HOUR, QUARTER, barFor, barStart, bars, midnight, zone } from "../period.js";
import { chooseRange, isNarrowed, show, state } from "../state.js";
import { announcement, before, groups, metric, shown, status, summary, valueOf } from "../store.js";
import { color, painted } from "../theme.js";
import { Later, NameOf, Segmented, Swatch, amount, currency, html, short, when } from "./parts.js";

const BUDGET_REACH = 3; // a budget this many times above the curve would flatten it: it is then left off
const TOLD = 6;
const SLOTS = [...Array(9).keys()];
const LABEL = 84;
const HOUR_STEPS = [1, 2, 3, 6, 12, 24];

const pointed = signal(null); // {index, left, width} of the column under the pointer

const isCost = () => metric.value === "cost";
export const words = (value) => (isCost() ? amount(value) : short(value));
const value = (sum) => valueOf(sum) ?? 0;
const isBars = () => state.value.chart === "bars";

export const ghostSeries = () => (before.value?.series.some((point) => value(point) !== 0) ? before.value.series : null);

/** The bars, one beside the other: {start, end, total, layers, then}. The last layer is that of the others. */
export function columns(isMerged) {
	const { series, parts, to } = summary.value;
	const { named } = groups.value;
	const { group } = shown.value;
	const places = new Map(named.map(({ name }, place) => [name, place]));
	const field = isCost() ? "cost_usd" : "tokens";
	const bar = isMerged ? barFor(summary.value) : null;
	const found = new Map();
	series.forEach((point, i) => {
		const late = point.start === summary.value.ahead_from;
		const start = bar && !late ? barStart(point.start, bar) : point.start;
		if (!found.has(start)) found.set(start, { start, late, total: 0, then: 0, layers: new Array(named.length + 1).fill(0) });
		const column = found.get(start);
		column.end = series[i + 1]?.start ?? to;
		column.total += value(point);
		column.least ||= isCost() && point.at_least;
		for (const part of parts) column.layers[part.groups ? named.length : (places.get(part[group]) ?? named.length)] += part[field][i];
	});
	const listed = [...found.values()];
	const ghost = ghostSeries();
	const then = ghost && (bar ? bars(ghost, bar, value).map(([, sum]) => sum) : ghost.map(value));
	listed.forEach((column, i) => (column.then = then ? (then[i] ?? null) : null));
	return listed;
}

export const perBarWords = () => t(`chart.per.${barFor(summary.value)}`);

function budgetLine() {
	const asked = shown.value.state;
	if (!status.value.budget || !isCost() || isNarrowed(asked)) return null;
	const { daily_usd, monthly_usd } = status.value.budget;
	if (isBars()) return barFor(summary.value) === "day" ? daily_usd : null;
	return { today: daily_usd, month: monthly_usd }[asked.period];
}

/** Before we watched Cline, what it spent is dated by each task's last activity. */
export function approximateUntil() {
	const { exact_since, from, groups: found } = summary.value;
	const since = exact_since.cline;
	return since > from && found.some(({ source }) => source === "cline") ? since : null;
}

/** How much of a column is known. */
export const known = ({ start, end, late }) => late ? 1 : Math.max(0, Math.min(1, (knownUntil.value - start) / (end - start)));

/** Sums of layers up to each, at the left and right edge of columns: what areas are painted of. */
function running(list) {
	let layers = list[0].layers.map(() => 0);
	let then = 0;
	const points = [{ x: -0.5, layers, then }];
	list.forEach((column, i) => {
		const part = known(column);
		if (part > 0) {
			layers = layers.map((sum, place) => sum + column.layers[place]);
			points.push({ x: i - 0.5 + part, layers, then: then + (column.then ?? 0) * part });
		}
		then += column.then ?? 0;
		if (part < 1) points.push({ x: i + 0.5, layers: null, then });
	});
	return points;
}

const top = (layers) => layers.reduce((sum, layer) => sum + layer, 0);

function highest(list) {
	if (isBars()) return Math.max(...list.map(({ total, then }) => Math.max(total, then ?? 0)));
	return Math.max(...running(list).map(({ layers, then }) => Math.max(layers ? top(layers) : 0, then)));
}

function hatched(ctx, base, panel) {
	const tile = Object.assign(document.createElement("canvas"), { width: 6, height: 6 });
	const pen = tile.getContext("2d");
	pen.fillStyle = base;
	pen.fillRect(0, 0, 6, 6);
	pen.strokeStyle = panel;
	for (const shift of [-6, 0, 6]) {
		pen.moveTo(shift, 6);
		pen.lineTo(shift + 6, 0);
	}
	pen.stroke();
	return ctx.createPattern(tile, "repeat");
}

function painter(list, palette) {
	const { named } = groups.value;
	const slots = [...named.map(({ slot }) => slot), 0];
	const names = [...named.map(({ name }) => name), undefined];
	return (plot) => {
		const { ctx, bbox } = plot;
		const x = (at) => plot.valToPos(at, "x", true);
		const y = (at) => plot.valToPos(at, "y", true);
		const floor = y(0);
		const dot = devicePixelRatio;
		const fill = (place) => {
			const over = hovered.value?.name ?? null; // a row that may be gone by now
			const isFaint = over !== null && names.includes(over) && over !== names[place];
			ctx.globalAlpha = isFaint ? 0.25 : 1;
			ctx.fillStyle = slots[place] ? palette[slots[place]] : (palette.hatch ??= hatched(ctx, palette[0], palette.panel));
		};
		ctx.save();
		ctx.beginPath();
		ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
		ctx.clip();
		if (isBars()) {
			const room = bbox.width / list.length;
			const width = Math.max(1, Math.min(Math.round(room * 0.72), 40 * dot));
			list.forEach(({ layers }, i) => {
				const left = Math.round(x(i) - width / 2);
				let sum = 0;
				let low = floor;
				layers.forEach((layer, place) => {
					if (!(layer > 0)) return;
					sum += layer;
					const high = Math.min(low - 1, Math.round(y(sum)));
					const gap = low - high > 3 * dot && low !== floor ? dot : 0; // between two colours
					fill(place);
					ctx.fillRect(left, high, width, low - high - gap);
					low = high;
				});
			});
		} else {
			const points = running(list).filter(({ layers }) => layers);
			for (let place = slots.length - 1; place >= 0; place--) {
				ctx.beginPath();
				ctx.moveTo(x(-0.5), floor);
				for (const point of points) ctx.lineTo(x(point.x), y(top(point.layers.slice(0, place + 1))));
				ctx.lineTo(x(points.at(-1).x), floor);
				if (!points.at(-1).layers[place]) continue;
				fill(place);
				ctx.fill();
			}
		}
		ctx.globalAlpha = 1;
		if (list.some(({ then }) => then !== null)) {
			ctx.strokeStyle = palette.ghost;
			ctx.lineWidth = 1.5 * dot;
			ctx.setLineDash([4 * dot, 3 * dot]);
			ctx.beginPath();
			if (isBars()) {
				list.forEach(({ then }, i) => {
					ctx.lineTo(x(i - 0.5), y(then ?? 0));
					ctx.lineTo(x(i + 0.5), y(then ?? 0));
				});
			} else for (const { x: at, then } of running(list)) ctx.lineTo(x(at), y(then));
			ctx.stroke();
		}
		const budget = drawnBudget(list);
		if (budget) {
			ctx.fillStyle = palette.warn;
			for (let at = bbox.left; at < bbox.left + bbox.width; at += 7 * dot) ctx.fillRect(at, y(budget), 3 * dot, dot);
		}
		ctx.restore();
		const until = approximateUntil();
		if (until === null) return;
		const edge = list.findIndex(({ end }) => end > until);
		ctx.save();
		ctx.fillStyle = palette.rule;
		const right = edge < 0 ? bbox.left + bbox.width : x(edge - 0.5 + (until - list[edge].start) / (list[edge].end - list[edge].start));
		for (let at = bbox.left; at < right; at += 4 * dot) ctx.fillRect(at, floor + 2 * dot, Math.min(2 * dot, right - at), 3 * dot);
		ctx.restore();
	};
}

const isMidnight = (ms) => new Date(ms).getHours() + new Date(ms).getMinutes() === 0;

/** Columns with a label: as many as have room. */
function labelled(list, room) {
	const all = list.map((_, i) => i);
	const size = list[0].end - list[0].start;
	if (size > HOUR) {
		const step = Math.ceil(list.length / room);
		return all.filter((i) => i % step === 0);
	}
	const hours = HOUR_STEPS.find((step) => (list.length * size) / HOUR / step <= room);
	if (hours) return all.filter((i) => ((list[i].start - midnight(list[i].start)) / HOUR) % hours === 0);
	const nights = all.filter((i) => isMidnight(list[i].start));
	return nights.filter((_, i) => i % Math.ceil(nights.length / room) === 0);
}

function label({ start, end, late }) {
	if (late) return t("chart.late");
	if (end - start <= HOUR) return when(start, isMidnight(start) ? "day" : "clock");
	return when(start, end - start > 27 * DAY ? "month" : "day");
}

/** The whole column in words. */
export function titleOf({ start, end, late }) {
	if (late) return t("chart.late");
	if (end - start <= HOUR) return `${when(start, "hour")} – ${when(end, "clock")}`;
	if (end - start < 2 * DAY) return when(start, "weekday");
	return end - start > 27 * DAY ? when(start, "month") : range(start, end, locale.value);
}

/** The budget, if the axis reaches it. */
function drawnBudget(list) {
	const budget = budgetLine();
	return budget && budget <= BUDGET_REACH * highest(list) ? budget : null;
}

const yRange = (list) => [0, (Math.max(drawnBudget(list) ?? 0, highest(list)) || 1) * 1.06];

function zoom(plot, list) {
	const { left, width } = plot.select;
	if (width < 6) return;
	plot.setSelect({ left: 0, width: 0, top: 0, height: 0 }, false);
	const at = (px) => {
		const place = Math.max(0, Math.min(list.length - 1e-9, plot.posToVal(px, "x") + 0.5));
		const { start, end } = list[Math.floor(place)];
		return Math.round((start + (place % 1) * (end - start)) / QUARTER) * QUARTER;
	};
	const [from, to] = [at(left), at(left + width)];
	// Of several days, whole days are meant.
	if (to - from > 3 * DAY) chooseRange(barStart(from, "day"), barStart(to + DAY - 1, "day"));
	else chooseRange(from, Math.max(to, from + HOUR));
}

/** The column under the pointer is found by its own bounds, not by the point that is nearest. */
function point(plot, list) {
	const { left } = plot.cursor;
	const index = Math.floor(plot.posToVal(left, "x") + 0.5);
	const isOutside = !(left >= 0) || !list[index] || known(list[index]) === 0;
	if (isOutside ? pointed.value : pointed.value?.index !== index) pointed.value = isOutside ? null : { index, left: left + plot.over.offsetLeft, width: plot.root.clientWidth };
}

function options({ clientWidth: width, clientHeight: height }, made) {
	const axis = { font: `11px ${getComputedStyle(document.body).fontFamily}`, stroke: color("muted"), ticks: { show: false }, gap: 8 };
	const palette = Object.fromEntries(SLOTS.map((slot) => [slot, color(`slot-${slot}`)]));
	for (const name of ["ghost", "panel", "warn", "rule"]) palette[name] = color(name);
	const tick = (y, step) => (isCost() ? moneyAxis(y, locale.value, step, currency.value) : short(y));
	const unseen = { paths: () => null, points: { show: false } };
	return {
		width,
		height,
		padding: [10, 14, 0, 0],
		legend: { show: false },
		cursor: { drag: { x: true, y: false, setScale: false, dist: 4 }, y: false, points: { show: false } },
		scales: { x: { time: false, range: () => [-0.5, made.list.length - 0.5] }, y: { range: () => yRange(made.list) } },
		axes: [
			{
				...axis,
				splits: (plot) => labelled(made.list, Math.max(1, Math.floor(plot.bbox.width / devicePixelRatio / LABEL))),
				// The last one would be cut off.
				values: (plot, ticks) => ticks.map((i) => (plot.bbox.width * (made.list.length - 0.5 - i) < 18 * devicePixelRatio * made.list.length ? "" : label(made.list[i]))),
				grid: { show: false },
				size: 30,
			},
			{
				...axis,
				...(isCost() && currency.value && { splits: (plot, a, low, high, step) => moneySteps(low, high, step, currency.value) }),
				values: (plot, ticks, a, space, step) => ticks.map((y) => tick(y, ticks.length > 1 ? ticks[1] - ticks[0] : step)),
				grid: { stroke: color("grid"), width: 1 },
				size: (plot, texts) => 20 + 6.2 * Math.max(3, ...(texts ?? []).map((text) => text.length)),
				space: 36,
			},
		],
		series: [{}, unseen],
		hooks: {
			draw: [(plot) => painter(made.list, palette)(plot)],
			setSelect: [(plot) => zoom(plot, made.list)],
			setCursor: [(plot) => point(plot, made.list)],
		},
	};
}

const dataOf = (list) => [list.map((_, i) => i), list.map(({ total }) => total)];

function Tip({ list }) {
	const at = pointed.value;
	const column = at && list[at.index];
	if (!column) return html`<div class="tip" hidden></div>`;
	const { named } = groups.value;
	const parts = named.map((one, place) => ({ ...one, size: column.layers[place] })).filter(({ size }) => size > 0);
	const rest = parts.slice(TOLD).reduce((sum, { size }) => sum + size, column.layers.at(-1));
	const sum = isBars() ? column.total : list.slice(0, at.index + 1).reduce((all, { total }) => all + total, 0);
	const isRight = at.left > at.width / 2;
	const style = isRight ? { right: `${at.width - at.left + 12}px` } : { left: `${at.left + 12}px` };
	return html`<div class="tip" style=${style}><p><span>${titleOf(column)}</span> <b>${column.least && "≥ "}${words(column.total)}</b></p>
		${parts.slice(0, TOLD).map(({ name, slot, size }) => html`<p key=${name}><span><${Swatch} slot=${slot} /><${NameOf} name=${name} /></span> ${words(size)}</p>`)}
		${rest > 0 && html`<p><span><${Swatch} slot=${0} />${t("groups.rest")}</span> ${words(rest)}</p>`}
		${!isBars() && html`<p class="soft"><span>${t("chart.cumulative")}</span> ${words(sum)}</p>`}
		${column.then !== null && html`<p class="soft"><span>${t("chart.before")}</span> ${words(column.then)}</p>`}</div>`;
}

function Plot({ list, label: told }) {
	const box = useRef(null);
	const plot = useRef(null);
	const tapped = useRef();
	const made = useRef({ list });
	made.current.list = list;
	useLayoutEffect(() => {
		const one = new uPlot(options(box.current, made.current), dataOf(list), box.current);
		plot.current = one;
		const resized = new ResizeObserver(() => one.setSize({ width: box.current.clientWidth, height: box.current.clientHeight }));
		resized.observe(box.current);
		return () => {
			resized.disconnect();
			one.destroy();
			pointed.value = null;
		};
	}, [metric.value, painted.value, locale.value]); // new numbers alone do not make a new plot
	useLayoutEffect(() => {
		plot.current.setData(dataOf(list));
	}, [list, state.value.chart]);
	useEffect(() => plot.current.redraw(false), [hovered.value]);
	const leave = () => plot.current.setCursor({ left: -10, top: 0 });
	const open = () => {
		const { start, end, late } = list[pointed.value?.index] ?? { late: true };
		leave();
		if (!late && end - start > QUARTER) chooseRange(start, end);
	};
	// If nothing hovers, the first press shows what the second one opens.
	const press = () => {
		const { index } = pointed.value ?? {};
		const isTold = index === tapped.current || !matchMedia("(hover: none)").matches;
		tapped.current = isTold ? null : index;
		if (isTold) open();
	};
	const move = (event) => {
		if (event.key === "Enter") open();
		const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
		if (!step) return;
		event.preventDefault();
		const last = list.findLastIndex((column) => known(column) > 0);
		const index = Math.max(0, Math.min(last, (pointed.value?.index ?? last + 1) + step));
		plot.current.setCursor({ left: plot.current.valToPos(index, "x"), top: 0 });
		announcement.value = `${titleOf(list[index])}${t("colon")} ${words(list[index].total)}`;
	};
	return html`<div class="plot" ref=${box} role="img" tabindex="0" aria-label=${told} onClick=${press} onKeyDown=${move} onBlur=${leave}><${Tip} list=${list} /></div>`;
}

function Legend({ list }) {
	const budget = drawnBudget(list);
	const until = approximateUntil();
	return html`<p class="legend">${!state.value.table && html`${ghostSeries() && html`<span><i class="then"></i>${t("chart.before")}</span>`}
			${budget && html`<span><i class="limit"></i>${t("chart.budget", { budget: amount(budget) })}</span>`}`}
		${until !== null && html`<span title=${t("exact.why")} data-field="exact">${!state.value.table && html`<i class="dated"></i>`}${t("exact.since", { at: when(until, "day") })}</span>`}</p>`;
}

export function Chart() {
	const { chart, table } = state.value;
	const seen = [summary.value, before.value, metric.value, chart, groups.value, knownUntil.value];
	const list = useMemo(() => columns(chart === "bars"), seen);
	const title = t(`chart.title.${metric.value}`);
	const total = words(value(summary.value.totals));
	const kinds = [["bars", perBarWords()], ["cumulative", t("chart.cumulative")]];
	return html`<section class="panel-box chart" aria-label=${title}>
		<div class="head"><h2>${title} <span class="soft count" title=${t("period.zone")} data-field="zone">${zone()}</span></h2>
			<${Segmented} label=${t("chart.kind")} chosen=${chart} options=${kinds} choose=${(kind) => show({ chart: kind })} />
			<button class="quiet" aria-pressed=${table} onClick=${() => show({ table: !table })}>${t("chart.table")}</button></div>
		${table ? html`<${Later} name="chart_table" wait=${html`<div class="astable"></div>`} />` : html`<${Plot} list=${list} label=${t("chart.label", { title, total })} />`}
		<${Legend} list=${list} /></section>`;
}
