// One client's session and its pins, at the address #client=NUMBER.

import { get, without } from "./api.js";
import { byId, element, keepInStep } from "./dom.js";
import { duration } from "./format.js";
import { showSingle } from "./groups.js";
import { leakKey, showLeak } from "./leaks.js";
import { time } from "./times.js";

const MAX_PINS = 100; // a session reports no more
const MAX_LEAKS = 100; // of a session, the latest
const dialog = byId("session");
const facts = byId("session-facts");

function wanted() {
  return /^#client=(\d+)$/.exec(location.hash)?.[1];
}

async function show() {
  const client = wanted();
  if (!client) return;
  const answers = await Promise.all([
    get(`/api/sessions?client=${client}`),
    get(`/api/pins?client=${client}&limit=${MAX_PINS}`),
    get(`/api/leaks?client=${client}&limit=${MAX_LEAKS}`),
  ]).catch(without(null));
  if (client !== wanted()) return; // another one was chosen meanwhile
  byId("session-title").textContent = `Client ${client}`;
  facts.replaceChildren(...(answers ? shown(...answers) : [element("p", "No response from pinwatch.")]));
  if (!dialog.open) dialog.showModal();
}

function shown(sessions, pins, leaks) {
  const session = sessions.length ? described(sessions[0]) : [element("p", "This session has ended.")];
  return [...session, ...listed(pins), ...left(leaks)];
}

function described(session) {
  const rows = {
    State: session.pinned ? `${session.state}, pinned for ${duration(session.pinned_seconds)}` : session.state,
    User: `${session.user} in ${session.database}`,
    Application: session.application_name || "none",
    Address: `${session.address}, ${session.encrypted ? "with" : "without"} TLS`,
    Endpoint: session.endpoint,
    Connected: [time(session.connected_at), `, ${duration(session.age)} ago`],
    Connection: session.db_connection === null ? "none" : String(session.db_connection),
    Keeps: held(session.held),
  };
  const pairs = Object.entries(rows).flatMap(([name, value]) => [element("dt", name), element("dd", value)]);
  return [element("dl", pairs)];
}

function held(state) {
  const kinds = Object.entries(state).map(([kind, values]) => `${kind}: ${named(values)}`);
  return kinds.join("; ") || "nothing that its SQL shows";
}

function named(values) {
  return Object.entries(values).map(([name, value]) => (value ? `${name} = ${value}` : name)).join(", ");
}

function listed(pins) {
  if (!pins.length) return [element("p", "It has not pinned.")];
  const list = element("ol", null, { className: "singles" });
  keepInStep(list, pins, (pin) => String(pin.id), () => element("li"), (row, pin) => {
    showSingle(row, pin, null);
    row.firstChild.prepend(element("a", pin.rule, { className: "rule", href: `/rules/${pin.rule}` }));
  });
  return [list];
}

function left(leaks) {
  if (!leaks.length) return [];
  const list = element("ol", null, { className: "singles" });
  keepInStep(list, leaks, leakKey, () => element("li"), showLeak);
  return [element("h3", "Left for the next client"), list];
}

dialog.addEventListener("close", () => {
  if (wanted()) history.replaceState(null, "", location.pathname);
});
addEventListener("hashchange", show);
show();
