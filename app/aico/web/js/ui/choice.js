// The choices of filters: names with usage in the period, with any other filter. Read at each opening.
import { useEffect, useState } from "../../vendor/preact-hooks.js";
import { getSummary } from "../api.js";
import { t } from "../i18n.js";
import { slotOf } from "../slots.js";
import { hasProjects, sources } from "../sources.js";
import { choose, embedded, isChosen, state } from "../state.js";
import { usageFilter } from "../store.js";
import { NameOf, Swatch, html } from "./parts.js";

function Options({ group, offered }) {
	const names = [...new Set([...offered.map((one) => one[group]), ...state.value[group]])];
	return html`<fieldset><legend>${t(`col.${group}`)}</legend><div class="options">${names.map((name) => html`<label key=${name}>
		<input type="checkbox" checked=${isChosen(group, name)} onChange=${() => choose(group, name, true)} />${group === "source" && html`<${Swatch} slot=${slotOf(name)} />`}<${NameOf} name=${name} group=${group} /></label>`)}</div></fieldset>`;
}

export function Part() {
	const [offered, offer] = useState(null);
	useEffect(() => {
		const { from, to } = usageFilter.value;
		getSummary({ from, to, bucket: "month", by: hasProjects.value ? "source,model,project" : "source,model", brief: true }).then(({ groups }) => offer(groups), () => offer([]));
	}, []);
	if (!offered) return null;
	return html`${(!embedded || sources.value.length > 1) && html`<${Options} group="source" offered=${offered} />`}<${Options} group="model" offered=${offered} />${hasProjects.value && html`<${Options} group="project" offered=${offered.filter(({ project }) => project !== null)} />`}`;
}
