// Follows a stream of events with npm's `eventsource` and writes what it sees, a line of JSON each.
// Usage: node client.mjs ADDRESS COOKIE

import { EventSource } from "eventsource";

const [address, cookie] = process.argv.slice(2);
const begun = Date.now();
const tell = (fact) => console.log(JSON.stringify({ ms: Date.now() - begun, ...fact }));

const source = new EventSource(address, {
  fetch: (url, options) => fetch(url, { ...options, headers: { ...options.headers, cookie } }),
});
const hear = (name) => (event) =>
  tell({ name, id: event.lastEventId ?? null, data: event.data ?? null, state: source.readyState });
for (const name of ["message", "hello", "notification", "feed_state", "reset", "bye"]) {
  source.addEventListener(name, hear(name));
}
source.addEventListener("open", hear("open"));
source.addEventListener("error", hear("error"));

// It ends with whoever started it.
process.stdin.on("end", () => process.exit(0)).resume();
