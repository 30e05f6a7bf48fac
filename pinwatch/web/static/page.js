// Polls the HTTP API once a second while the page is visible, and receives pins as events.

import { get } from "./api.js";
import { draw } from "./chart.js";
import { drawDigests } from "./digests.js";
import { load, keep, offerRules, tick } from "./pins.js";
import { drawPool } from "./pool.js";

const INTERVAL = 1000; // milliseconds
const DIGESTS_EVERY = 3; // intervals
const state = document.getElementById("state");
let polls = 0;

function listen() {
  const stream = new EventSource("/api/pins/stream");
  const receive = (event) => keep(JSON.parse(event.data), event.type === "pin");
  stream.addEventListener("pin", receive);
  stream.addEventListener("unpin", receive);
  stream.addEventListener("missed", load);
  stream.addEventListener("open", load);
}

async function poll() {
  try {
    const pool = await get("/api/pool");
    drawPool(pool);
    draw(pool);
    if (polls++ % DIGESTS_EVERY === 0) await pollDigests();
    tick();
    show("Live.");
  } catch {
    show("No response from pinwatch. Retrying every second.");
  }
}

async function pollDigests() {
  const digests = await get("/api/digests");
  drawDigests(digests);
  offerRules(new Set(digests.map((digest) => digest.rule)));
}

function show(text) {
  if (state.textContent !== text) state.textContent = text;
}

async function run() {
  for (;;) {
    if (!document.hidden) await poll();
    await new Promise((go) => setTimeout(go, INTERVAL));
  }
}

listen();
run();
