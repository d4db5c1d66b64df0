// The switches of sources and of their origins, with what is read there and what never is. Never in a frame.
import { minute } from "../clock.js";
import { bytes } from "../format.js";
import { locale, t, told, tn } from "../i18n.js";
import { about, refused, sources, switchOrigins } from "../sources.js";
import { Complaint, Copyable, Words, html, since, when } from "./parts.js";

/** The box is as the service says it is, not as it was pressed. */
export function Toggle({ of: { enabled, fixed_by }, turn, name, words, title, label }) {
	const press = ({ target }) => {
		target.checked = enabled;
		turn(!enabled);
	};
	return html`<label class="switch" title=${title}><input type="checkbox" role="switch" checked=${enabled} disabled=${Boolean(fixed_by)}
		aria-label=${label} onChange=${press} data-switch=${name} /><span>${words}</span></label>`;
}

export const Switch = ({ source, origin, words }) => html`<${Toggle} of=${origin} name=${`${source.id}.${origin.id}`} words=${words} title=${origin.paths.join("\n")}
	label=${`${source.title}: ${words}`} turn=${(enabled) => switchOrigins(source.id, { [origin.id]: enabled })} />`;

/** Fixed by a setting. */
export const Fixed = ({ by }) => html`<p class="soft">${t("switch.fixed")} <${Copyable} text=${by} /></p>`;

/** The setting that fixes several switches is said once, above them. */
function common() {
	const settings = sources.value.flatMap(({ origins }) => origins.map(({ fixed_by }) => fixed_by));
	return settings.find((one, i) => one && settings.indexOf(one) < i);
}

export const Common = () => common() && html`<${Fixed} by=${common()} />`;

/** Why it is as it is, where nobody would guess. */
export function Standing({ source, origin }) {
	const { fixed_by, off_since, enabled } = origin;
	if (fixed_by) return fixed_by !== common() && html`<${Fixed} by=${fixed_by} />`;
	if (enabled || off_since === null) return null;
	const counted = source.sessions > 0 ? ` ${tn("switch.counted", source.sessions)}` : "";
	return html`<p class="soft" data-field="off">${t("switch.off", { at: when(off_since, "hour") })}${counted}</p>`;
}

/** Files that only a setting has read, as no request names a file: its lines are copied. */
export function Elsewhere({ origin: { elsewhere } }) {
	if (!elsewhere) return null;
	const { files, setting } = elsewhere;
	return html`<details class="elsewhere"><summary>${tn("elsewhere", files.length)}</summary>
		${files.map(({ path, bytes: size, last_written_at: at }) => html`<p><code>${path}</code> ${bytes(size, locale.value)}, ${t("look.written", { ago: since(at, minute.value) })}</p>`)}
		<p><${Words} text=${t(setting.startsWith("[") ? "elsewhere.file" : "elsewhere.variable")} /></p><p><${Copyable} text=${setting} /></p></details>`;
}

export function Refused({ source }) {
	if (refused.value?.id !== source.id) return null;
	return html`<${Complaint} code=${refused.value.code} />`;
}

export function Privacy({ source, origin }) {
	const name = `${source.id}.${origin.id}`;
	const never = told(`never.${name}`, origin.never_read);
	const { enabled, sources: named } = about.value.projects;
	return html`<p class="soft privacy">${told(`reads.${name}`, t("reads"))} ${never && t(enabled && named.includes(source.id) ? "never.but" : "never", { what: never })}</p>`;
}
