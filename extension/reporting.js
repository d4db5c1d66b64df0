// Sends what waits to the service, each batch under an id of its own: an answer that is lost counts once.

import { browserOf } from "./tracking.js";

export const ADDRESS = "http://127.0.0.1:8611";
const BATCH_MAX = 200;
const PATIENCE_MS = 10_000;
// What the service does not want is not kept: it is off, the pairing ended, or it knows better.
const GIVEN_UP = new Set([401, 403, 404, 409, 413, 421, 422]);

async function post(address, token, batch, beats) {
  const browser = browserOf(navigator.userAgentData?.brands ?? []);
  try {
    const response = await fetch(`${address}/api/activity/heartbeats`, {
      method: "POST",
      headers: { Authorization: `Bearer ${token}`, "Content-Type": "application/json" },
      body: JSON.stringify({ batch, browser, beats }),
      credentials: "omit",
      signal: AbortSignal.timeout(PATIENCE_MS),
    });
    await response.arrayBuffer();
    return response.status;
  } catch {
    return 0;
  }
}

// Sends all that waits, oldest first, until the service does not answer.
export async function report() {
  for (;;) {
    const stored = await chrome.storage.local.get(["address", "token", "queue", "sending"]);
    const { address = ADDRESS, token, queue = [] } = stored;
    if (!token) return;
    const sending = stored.sending ?? { batch: crypto.randomUUID(), beats: queue.slice(0, BATCH_MAX) };
    if (sending.beats.length === 0) return;
    if (stored.sending === undefined) await chrome.storage.local.set({ sending, queue: queue.slice(sending.beats.length) });
    const status = await post(address, token, sending.batch, sending.beats);
    await chrome.storage.local.set({ answer: { status, at: Date.now() } });
    if (status === 401 || status === 409) {
      // Not paired any more, or switched off: what waits is not reported later.
      await chrome.storage.local.set({ queue: [] });
    } else if (status !== 200 && !GIVEN_UP.has(status)) {
      return;
    }
    await chrome.storage.local.remove("sending");
    if (status !== 200) return;
  }
}

// Tries an address and a token with an empty report; returns the status, 0 without an answer.
export function tryOut(address, token) {
  return post(address, token, crypto.randomUUID(), []);
}
