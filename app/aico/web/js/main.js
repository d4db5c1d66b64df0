// The page's beginning: words first, then the numbers, then events.
import { render } from "../vendor/preact.js";
import "../vendor/signals.js"; // components follow the signals they read
import { startClock } from "./clock.js";
import { useLanguage } from "./i18n.js";
import { startKeys } from "./keys.js";
import { startLive } from "./live.js";
import { readSources, startHealing } from "./sources.js";
import { startReading } from "./store.js";
import { startTerms } from "./terms.js";
import { startTheme } from "./theme.js";
import { App, startSpeaking, startTitle } from "./ui/app.js";
import { html } from "./ui/parts.js";

startTheme();
startReading();
readSources();
startHealing();
startLive();
startTerms();
startClock();
await useLanguage();
startTitle();
startSpeaking();
startKeys();
render(html`<${App} />`, document.getElementById("app"));
