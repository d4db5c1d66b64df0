// Time in apps, commands and sites: today, in the period, and where in the day. Beside money, never in it.
import { activity, activityProblem, switchKind } from "../activity.js";
import { locale, t, tcode, told, tn } from "../i18n.js";
import { addDays, midnight } from "../period.js";
import { Fixed, Toggle } from "./switches.js";
import { Complaint, Later, Words, amount, html } from "./parts.js";

const TYPES = ["app", "command", "domain"];
const MINUTE = 60;
const WIDTH = 1000;

/** "2 h 05 min", "5 min", "40 s". */
function duration(seconds) {
	const unit = (value, name) => new Intl.NumberFormat(locale.value, { style: "unit", unit: name, maximumFractionDigits: 0 }).format(value);
	const minutes = Math.floor(seconds / MINUTE);
	if (minutes < 1) return unit(seconds, "second");
	if (minutes < 60) return unit(minutes, "minute");
	return `${unit(Math.floor(minutes / 60), "hour")} ${unit(minutes % 60, "minute")}`;
}

/** A subject is seen in several ways and places: one row for it. */
function addUp({ subjects }) {
	const rows = new Map();
	for (const { type, subject, seconds, count, estimated_cost_usd: cost, ...more } of subjects) {
		const key = `${type} ${subject}`;
		const row = rows.get(key) ?? { key, type, subject, seconds: 0, count: 0, cost: 0, is_assumed: false, is_running: false, is_in_front: false };
		for (const name of ["is_assumed", "is_running", "is_in_front"]) row[name] ||= more[name];
		rows.set(key, Object.assign(row, { seconds: row.seconds + seconds, count: row.count + count, cost: row.cost + (cost ?? 0) }));
	}
	return rows;
}

const amountOf = ({ seconds, count }) => [seconds > 0 && duration(seconds), count > 0 && tn("activity.times", count)].filter(Boolean).join(", ") || "–";

function Row({ now, all }) {
	const state = now?.is_in_front ? "front" : now?.is_running ? "running" : null;
	return html`<tr data-subject=${all.subject}><th scope="row"><i class=${`swatch s${TYPES.indexOf(all.type) + 1}`} aria-hidden="true"></i>${all.subject}
			${state && html` <span class="tag">${t(`activity.is.${state}`)}</span>`}${all.is_assumed && html` <span class="soft">${t("activity.assumed")}</span>`}</th>
		<td class="minor soft">${t(`activity.type.${all.type}`)}</td><td>${amountOf(now ?? { seconds: 0, count: 0 })}</td><td>${amountOf(all)}</td>
		<td class="minor soft">${all.cost > 0 ? t("activity.about", { cost: amount(all.cost) }) : "–"}</td></tr>`;
}

function Subjects({ today, period }) {
	const [now, all] = [addUp(today), addUp(period)];
	const rows = [...all.values(), ...[...now.values()].filter(({ key }) => !all.has(key))];
	if (rows.length === 0) return html`<p class="empty soft">${t("activity.nothing")}</p>`;
	const heads = [["activity.subject"], ["activity.type", "minor"], ["activity.today"], ["activity.period"], ["activity.estimate", "minor"]];
	return html`<div class="scroll"><table><thead><tr>${heads.map(([key, kind]) => html`<th scope="col" class=${kind}>${t(key)}</th>`)}</tr></thead>
		<tbody>${rows.map((row) => html`<${Row} key=${row.key} now=${now.get(row.key)} all=${row} />`)}</tbody></table></div>`;
}

/** The day from midnight to midnight, which may have 23 or 25 hours. */
function Timeline({ today }) {
	const start = midnight(today.from);
	const length = addDays(start, 1) - start;
	const types = new Map(today.subjects.map(({ kind, type }) => [kind, type]));
	const place = (ms) => WIDTH * Math.max(0, Math.min(1, (ms - start) / length));
	const spans = today.spans.map(({ kind, start: begin, seconds }) => ({ type: types.get(kind), x: place(begin), end: place(begin + seconds * 1000) }));
	if (spans.length === 0) return null;
	return html`<svg class="timeline" viewBox=${`0 0 ${WIDTH} 30`} preserveAspectRatio="none" role="img" aria-label=${t("activity.timeline", { time: duration(today.seconds) })}>
		${TYPES.map((type, row) => html`<g class=${`s${row + 1}`}>${spans.filter((span) => span.type === type).map(({ x, end }) =>
			html`<rect x=${x} y=${10 * row + 1} width=${Math.max(1, end - x)} height="8" />`)}</g>`)}</svg>
		<p class="hours soft" aria-hidden="true">${[0, 6, 12, 18, 24].map((hour) => html`<span>${hour}</span>`)}</p>`;
}

function Kind({ kind }) {
	const { id, enabled, fixed_by, state, reason } = kind;
	return html`<div><${Toggle} of=${kind} name=${`activity.${id}`} words=${told(`activity.kind.${id}`, kind.title)} turn=${(isOn) => switchKind(id, isOn)} />
		${fixed_by && html`<${Fixed} by=${fixed_by} />`}
		${enabled && (state !== "watching" || reason) && html`<p class="warn"><${Words} text=${told(`activity.reason.${reason ?? state}`, state)} /></p>`}
		<p class="soft"><${Words} text=${told(`activity.reads.${id}`, kind.reads)} /> ${t("never", { what: told(`activity.never.${id}`, kind.never_read) })}</p>
		${id === "extension" && enabled && html`<${Later} name="pairings" />`}</div>`;
}

export function Part() {
	if (!activity.value) return html`<p class="soft" role="status">${activityProblem.value ? html`<${Words} text=${tcode(activityProblem.value)} />` : t("loading")}</p>`;
	const { today, period } = activity.value;
	return html`<${Complaint} code=${activityProblem.value} />
		${today.seconds + period.seconds > 0 && html`<p data-field="activity-today">${t("activity.sum", { today: duration(today.seconds), period: duration(period.seconds) })}
			${period.estimated_cost_usd > 0 && html` <span class="soft">${t("activity.cost", { cost: amount(period.estimated_cost_usd) })}</span>`}</p>`}
		<${Timeline} today=${today} /><${Subjects} today=${today} period=${period} />
		<div class="kinds">${period.kinds.map((kind) => html`<${Kind} key=${kind.id} kind=${kind} />`)}</div>`;
}
