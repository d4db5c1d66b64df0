// When it was spent: hours of the week, or days of a year, as cells of five shades.
import { useEffect, useRef, useState } from "../../vendor/preact-hooks.js";
import { locale, t } from "../i18n.js";
import { addDays } from "../period.js";
import { chooseRange } from "../state.js";
import { metric } from "../store.js";
import { amount, html, short, when } from "./parts.js";

const LEVELS = 5;
const DAYS = 7;
const SIZE = 14; // of a cell, in pixels

/** A Monday, to name the days of a week by. */
const MONDAY = new Date(2024, 0, 1).getTime();
const dayName = (row, style) => new Intl.DateTimeFormat(locale.value, { weekday: style }).format(addDays(MONDAY, row));
const hourName = (hour) => new Intl.DateTimeFormat(locale.value, { hour: "numeric" }).format(new Date(2024, 0, 1, hour));

/** Cells by column and row: hours beside each other, or weeks. */
function gridOf(heat) {
	const values = metric.value === "cost" ? heat.cost_usd : heat.tokens;
	const most = Math.max(0, ...values);
	const level = (value) => (value > 0 ? Math.ceil((LEVELS * value) / most) : 0);
	if (heat.first === null) {
		const cells = values.map((value, i) => ({ column: i % 24, row: Math.floor(i / 24), value, level: level(value) }));
		return { columns: 24, cells };
	}
	const first = new Date(`${heat.first}T00:00`);
	const shift = (first.getDay() + 6) % DAYS;
	const cells = values.map((value, i) => ({ column: Math.floor((i + shift) / DAYS), row: (i + shift) % DAYS, value, level: level(value), day: addDays(first.getTime(), i) }));
	return { columns: Math.floor((values.length - 1 + shift) / DAYS) + 1, cells };
}

function words({ value, day, column, row }) {
	const much = metric.value === "cost" ? amount(value) : t("gaps.tokens", { n: short(value) });
	const place = day === undefined ? `${dayName(row, "long")} ${hourName(column)}` : when(day, "weekday");
	return `${place}${t("colon")} ${much}`;
}

/** The dearest cell: what the map says in one sentence. */
const peakOf = ({ cells }) => cells.reduce((best, cell) => (cell.value > (best?.value ?? 0) ? cell : best), null);

const NAMED_APART = 3; // columns: two names do not touch

/** Beginnings of months: [column, name]. One that the next would touch has no name. */
function monthsOf({ cells }) {
	const begins = cells.filter(({ day }, i) => i === 0 || new Date(day).getDate() === 1);
	return begins.filter(({ column }, i) => (begins[i + 1]?.column ?? Infinity) - column >= NAMED_APART)
		.map(({ column, day }) => [column, new Intl.DateTimeFormat(locale.value, { month: "short" }).format(day)]);
}

/** A path for each shade: an element for each cell would be a sixth of the page. */
export function Grid({ heat }) {
	const grid = gridOf(heat);
	const box = useRef(null);
	const [at, setAt] = useState(null);
	const cell = at && grid.cells.find(({ column, row }) => column === at.column && row === at.row);
	useEffect(() => {
		box.current.scrollLeft = box.current.scrollWidth; // the newest days
	}, [grid.columns]);
	const shade = (level) => grid.cells.filter((one) => one.level === level).map(({ column, row }) => `M${column},${row}h.86v.86h-.86z`).join("");
	const point = ({ currentTarget, clientX, clientY }) => {
		const { left, top, width, height } = currentTarget.getBoundingClientRect();
		setAt({ column: Math.floor(((clientX - left) / width) * grid.columns), row: Math.floor(((clientY - top) / height) * DAYS) });
	};
	const open = () => cell?.day !== undefined && chooseRange(cell.day, addDays(cell.day, 1));
	const move = (event) => {
		const steps = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
		if (event.key === "Enter") open();
		if (!steps) return;
		event.preventDefault();
		event.stopPropagation();
		const from = at ?? { column: grid.columns - 1, row: 0 };
		setAt({ column: Math.min(grid.columns - 1, Math.max(0, from.column + steps[0])), row: Math.min(DAYS - 1, Math.max(0, from.row + steps[1])) });
	};
	const peak = peakOf(grid);
	const most = peak ? t("hours.most", { what: words(peak) }) : t("hours.none");
	const isDays = heat.first !== null;
	return html`<div class="heat"><div class="days soft" aria-hidden="true">${[0, 2, 4, 6].map((row) => html`<span>${dayName(row, "short")}</span>`)}</div>
		<div class="cells" ref=${box}><svg tabindex="0" role="img" aria-label=${t(isDays ? "hours.map.day" : "hours.map.hour", { most })} viewBox=${`0 0 ${grid.columns} ${DAYS}`}
			width=${isDays ? grid.columns * SIZE : "100%"} height=${DAYS * SIZE} preserveAspectRatio=${isDays ? "xMinYMin" : "none"} class=${isDays && "can"}
			onMouseMove=${point} onMouseLeave=${() => setAt(null)} onClick=${open} onKeyDown=${move}>
			${Array.from({ length: LEVELS + 1 }, (_, level) => html`<path class=${`h${level}`} d=${shade(level)} />`)}
			${cell && html`<path class="at" d=${`M${cell.column},${cell.row}h.86v.86h-.86z`} />`}</svg>
			${isDays ? html`<div class="months soft" aria-hidden="true" style=${{ gridTemplateColumns: `repeat(${grid.columns}, ${SIZE}px)` }}>${monthsOf(grid).map(([column, name]) => html`<span style=${{ gridColumn: column + 1 }}>${name}</span>`)}</div>`
				: html`<div class="axis soft" aria-hidden="true">${[0, 6, 12, 18].map((hour) => html`<span>${hourName(hour)}</span>`)}</div>`}</div>
		<p class="soft" role="status" data-field="hours-at">${cell ? words(cell) : most}</p></div>`;
}
