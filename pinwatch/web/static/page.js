// Polls the HTTP API once a second while the page is visible, and receives pins as events.

import { get, without } from "./api.js";
import { byId, setText } from "./dom.js";
import { load, refresh } from "./groups.js";
import { drawHistory, forget, query } from "./history.js";
import { drawLeaks } from "./leaks.js";
import { drawPool } from "./pool.js";
import { drawProxy } from "./proxy.js";
import { drawSummary } from "./summary.js";
import "./session.js";

const INTERVAL = 1000; // milliseconds
const state = byId("state");
const news = byId("news");
let startedAt;

function listen() {
  const stream = new EventSource("/api/pins/stream");
  stream.addEventListener("pin", (event) => {
    const pin = JSON.parse(event.data);
    if (pin.first) news.textContent = `${pin.user} pinned by ${pin.rule}`;
    load();
  });
  for (const name of ["unpin", "missed", "open"]) stream.addEventListener(name, load);
}

async function poll() {
  const answers = await read().catch(without(null));
  if (answers) draw(answers);
  setText(state, answers ? "Live." : "No response from pinwatch. Retrying every second.");
}

async function read() {
  const proxy = await get("/api/proxy");
  if (startedAt !== proxy.started_at) forget();
  startedAt = proxy.started_at;
  const names = ["summary", "pool", "targets", "faults", `history${query()}`, "leaks?limit=1"];
  return [proxy, ...(await Promise.all(names.map((name) => get(`/api/${name}`))))];
}

function draw([proxy, summary, pool, targets, faults, history, leaks]) {
  drawSummary(summary);
  drawPool(pool);
  drawProxy(proxy, targets, faults);
  drawHistory(history);
  drawLeaks(proxy, leaks).catch(reportError);
  refresh();
}

async function run() {
  for (;;) {
    if (!document.hidden) await poll().catch(reportError);
    await new Promise((go) => setTimeout(go, INTERVAL));
  }
}

listen();
run();
