// Asks the HTTP API, once a second while somebody looks, and hears of pins at once.

import { draw } from "./chart.js";
import { drawDigests } from "./digests.js";
import { keep, keepAll, tick } from "./pins.js";
import { drawPool } from "./pool.js";

const SECOND = 1000;
const FIRST = 1000; // pins that are asked for
const DIGESTS_EACH = 3; // seconds
const state = document.getElementById("state");
let seconds = 0;

async function get(path) {
  const answer = await fetch(path);
  if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
  return answer.json();
}

async function begin() {
  keepAll(await get(`/api/pins?limit=${FIRST}`));
}

function listen() {
  const stream = new EventSource("/api/pins/stream");
  const heard = (event) => keep(JSON.parse(event.data), event.type === "pin");
  stream.addEventListener("pin", heard);
  stream.addEventListener("unpin", heard);
  stream.addEventListener("missed", () => begin().catch(() => {}));
  stream.addEventListener("open", () => begin().catch(() => {}));
}

async function look() {
  try {
    const pool = await get("/api/pool");
    drawPool(pool);
    draw(pool);
    if (seconds++ % DIGESTS_EACH === 0) drawDigests(await get("/api/digests"));
    tick();
    say("Live.");
  } catch {
    say("pinwatch does not answer. Trying again.");
  }
}

function say(text) {
  if (state.textContent !== text) state.textContent = text;
}

async function run() {
  for (;;) {
    if (!document.hidden) await look();
    await new Promise((go) => setTimeout(go, SECOND));
  }
}

listen();
run();
