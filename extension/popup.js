// Today's time per site, as this browser saw it.

import { dayOf } from "./tracking.js";
import { translate, word } from "./words.js";

translate();
await chrome.runtime.sendMessage("look");
const { today, token, answer } = await chrome.storage.local.get(["today", "token", "answer"]);
const sums = today !== undefined && today.day === dayOf(Date.now()) ? Object.entries(today.ms) : [];
const table = document.querySelector("table");
for (const [domain, ms] of sums.sort((one, other) => other[1] - one[1])) {
  const row = table.insertRow();
  row.insertCell().textContent = domain;
  const minutes = Math.floor(ms / 60_000);
  row.insertCell().textContent = minutes > 0 ? `${minutes} min` : `${Math.round(ms / 1000)} s`;
}
document.querySelector("#none").hidden = sums.length > 0;
const known = { 0: "answer_none", 200: "answer_paired", 401: "answer_unpaired", 409: "answer_off", 429: "answer_later" };
const state = token ? (known[answer?.status ?? 200] ?? "answer_refused") : "answer_unpaired";
document.querySelector("#state").textContent = word(state);
document.querySelector("#options").addEventListener("click", () => chrome.runtime.openOptionsPage());
