// Asks the HTTP API, once a second while somebody looks, and hears of pins at once.

import { get } from "./ask.js";
import { draw } from "./chart.js";
import { drawDigests } from "./digests.js";
import { load, keep, offerRules, tick } from "./pins.js";
import { drawPool } from "./pool.js";

const SECOND = 1000;
const DIGESTS_EACH = 3; // seconds
const state = document.getElementById("state");
let seconds = 0;

function listen() {
  const stream = new EventSource("/api/pins/stream");
  const heard = (event) => keep(JSON.parse(event.data), event.type === "pin");
  stream.addEventListener("pin", heard);
  stream.addEventListener("unpin", heard);
  stream.addEventListener("missed", load);
  stream.addEventListener("open", load);
}

async function look() {
  try {
    const pool = await get("/api/pool");
    drawPool(pool);
    draw(pool);
    if (seconds++ % DIGESTS_EACH === 0) await lookAtDigests();
    tick();
    say("Live.");
  } catch {
    say("pinwatch does not answer. Trying again.");
  }
}

async function lookAtDigests() {
  const digests = await get("/api/digests");
  drawDigests(digests);
  offerRules(new Set(digests.map((digest) => digest.rule)));
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
