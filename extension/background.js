// Looks at most every 30 seconds, and at every change, which listed site is in front, and reports it.
// The worker may be ended at any time: what must last stands in the storage of the browser.

import { SITES } from "./sites.js";
import { report } from "./reporting.js";
import { IDLE_S, addToday, advance, dayOf, enqueue, siteOf } from "./tracking.js";

const ALARM = "look";
let turn = Promise.resolve();

// One after the other: a look reads and writes what the next one needs.
function inTurn(work) {
  turn = turn.then(work, work);
  return turn;
}

async function findDomain() {
  if ((await chrome.idle.queryState(IDLE_S)) !== "active") return null;
  const [tab] = await chrome.tabs.query({ active: true, lastFocusedWindow: true });
  // Of a page that is not listed the browser tells no address.
  if (tab === undefined || tab.incognito || tab.url === undefined) return null;
  const window = await chrome.windows.get(tab.windowId);
  return window.focused ? siteOf(tab.url, SITES) : null;
}

async function look(now) {
  const { token } = await chrome.storage.local.get("token");
  if (!token) return; // not paired: nothing is noted
  const domain = await findDomain();
  const { state = null } = await chrome.storage.session.get("state");
  const next = advance(state, now, domain);
  await chrome.storage.session.set({ state: next.state });
  if (next.beats.length === 0) return;
  const { queue = [], today } = await chrome.storage.local.get(["queue", "today"]);
  await chrome.storage.local.set({
    queue: enqueue(queue, next.beats),
    today: addToday(today, dayOf(now), next.beats),
  });
}

// Time ends with the change that ended it: on a busy machine the look at it has its turn seconds later.
function lookFrom(now) {
  return inTurn(() => look(now));
}

const onChange = () => lookFrom(Date.now());
const onBeat = () => lookFrom(Date.now()).then(() => inTurn(report));

chrome.tabs.onActivated.addListener(onChange);
chrome.tabs.onUpdated.addListener((_id, change) => {
  if (change.url !== undefined || change.status !== undefined) onChange();
});
chrome.tabs.onRemoved.addListener(onChange);
chrome.windows.onFocusChanged.addListener(onChange);
chrome.idle.setDetectionInterval(IDLE_S);
chrome.idle.onStateChanged.addListener(onChange);
chrome.alarms.onAlarm.addListener(onBeat);
chrome.runtime.onMessage.addListener((message, sender, answer) => {
  if (message !== "look" || sender.id !== chrome.runtime.id) return false;
  onBeat().then(() => answer(true));
  return true;
});

async function wind() {
  if ((await chrome.alarms.get(ALARM)) === undefined) await chrome.alarms.create(ALARM, { periodInMinutes: 0.5 });
}
chrome.runtime.onInstalled.addListener(wind);
chrome.runtime.onStartup.addListener(wind);
wind();
// A page may have come to the front before the worker began, at the start of the browser.
onChange();
