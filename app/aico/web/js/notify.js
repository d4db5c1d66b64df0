// Notifications of the browser: asked for by the user alone, and loaded with the first one.
import { money, share } from "./format.js";
import { locale, t } from "./i18n.js";
import { keep } from "./stored.js";
import { STORED, notifying } from "./terms.js";

export function tell({ name, amount_usd, spent_usd, told }) {
	const { id, threshold } = told.at(-1);
	const usd = (value) => money(value, locale.value);
	const body = t("notify.body", { spent: usd(spent_usd), amount: usd(amount_usd) });
	try {
		// Pages in other tabs say the same under the same tag: it is shown once.
		new Notification(t("notify.title", { budget: name, share: share(threshold, 100, locale.value) }), { body, tag: id });
	} catch {
		// Some phones let no page do it.
	}
}

/** Ask the browser, because the user has asked for it; return whether it may be. */
export async function wantNotifications(isWanted) {
	const answer = isWanted ? await Notification.requestPermission() : "";
	notifying.value = answer === "granted";
	keep(STORED, notifying.value ? "on" : "off");
}
