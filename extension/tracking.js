// What time a look at the browser adds. Pure: no browser, no clock.

// The worker looks at least every 30 seconds. A longer time between two looks is no time of use: the machine slept,
// the browser stood still, or its clock was set.
export const GAP_MS = 90_000;
export const BEAT_MAX_MS = 60_000;
// Nobody touched anything for so long: nobody is there. Those seconds are use.
export const IDLE_S = 60;
const QUEUE_MAX = 20_000;

// The listed name for an address, the longest one; null for every other. Hosts by whole labels, paths by whole parts.
export function siteOf(address, sites) {
  let url;
  try {
    url = new URL(address);
  } catch {
    return null;
  }
  if (url.protocol !== "https:" && url.protocol !== "http:") return null;
  const host = `.${url.hostname.replace(/\.$/, "")}`;
  const found = sites.find(
    (site) =>
      host.endsWith(`.${site.host}`) &&
      (site.path === "" || url.pathname === site.path || url.pathname.startsWith(`${site.path}/`)),
  );
  return found === undefined ? null : found.name;
}

// What a look adds: the beats since the last look, and what is to be known at the next one. `state` is null at first.
export function advance(state, now, domain) {
  const passed = state === null ? 0 : now - state.seen;
  const isTime = state !== null && state.domain !== null && passed > 0 && passed <= GAP_MS;
  const isNew = domain !== null && (state === null || state.domain !== domain || passed > GAP_MS);
  const beats = [];
  for (let start = 0; isTime && start < passed; start += BEAT_MAX_MS) {
    const ms = Math.min(BEAT_MAX_MS, passed - start);
    beats.push({ domain: state.domain, start: state.seen + start, ms, visits: 0 });
  }
  if (isNew) beats.push({ domain, start: now, ms: 0, visits: 1 });
  return { beats, state: { domain, seen: now } };
}

// The beats that wait, with new ones; of too many the oldest go.
export function enqueue(queue, beats) {
  return [...queue, ...beats].slice(-QUEUE_MAX);
}

// The time of a day by domain, with new beats. Another day begins anew.
export function addToday(today, day, beats) {
  const ms = today !== undefined && today.day === day ? { ...today.ms } : {};
  for (const beat of beats) ms[beat.domain] = (ms[beat.domain] ?? 0) + beat.ms;
  return { day, ms };
}

export function dayOf(now) {
  const date = new Date(now);
  return `${date.getFullYear()}-${date.getMonth() + 1}-${date.getDate()}`;
}

// What the browser calls itself, in the words of the service.
export function browserOf(brands) {
  const names = brands.map((each) => each.brand);
  const known = [
    ["Brave", "brave"],
    ["Opera", "opera"],
    ["Vivaldi", "vivaldi"],
    ["Microsoft Edge", "edge"],
    ["Google Chrome", "chrome"],
  ];
  return known.find(([brand]) => names.includes(brand))?.[1] ?? "chromium";
}
