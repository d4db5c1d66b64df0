// The address of the service, and the token of the pairing.

import { ADDRESS, tryOut } from "./reporting.js";
import { translate, word } from "./words.js";

const form = document.querySelector("form");
const output = document.querySelector("output");

function own(text) {
  try {
    const url = new URL(text);
    return url.protocol === "http:" && ["127.0.0.1", "localhost"].includes(url.hostname) ? url.origin : null;
  } catch {
    return null;
  }
}

function say(status) {
  const known = { 0: "answer_none", 200: "answer_paired", 401: "answer_unpaired", 409: "answer_off", 429: "answer_later" };
  output.textContent = word(known[status] ?? "answer_refused");
}

async function save(event) {
  event.preventDefault();
  const address = own(form.address.value.trim());
  const token = form.token.value.trim();
  if (address === null) {
    output.textContent = word("address_wrong");
    return;
  }
  if (token === "") {
    await chrome.storage.local.remove(["token", "queue", "sending"]);
    await chrome.storage.session.remove("state");
    output.textContent = word("answer_removed");
    return;
  }
  const status = await tryOut(address, token);
  say(status);
  if (status !== 200) return;
  const { token: before } = await chrome.storage.local.get("token");
  if (before !== token) await chrome.storage.local.remove(["queue", "sending"]);
  await chrome.storage.local.set({ address, token });
  await chrome.runtime.sendMessage("look");
}

translate();
const stored = await chrome.storage.local.get(["address", "token"]);
form.address.value = stored.address ?? ADDRESS;
form.token.value = stored.token ?? "";
form.addEventListener("submit", save);
