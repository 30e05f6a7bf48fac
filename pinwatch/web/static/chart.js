// Clients, database connections and pinned sessions over the last five minutes.

import uPlot from "./uplot/uPlot.esm.js";

const KEPT = 300; // seconds
const holder = document.getElementById("chart");
const seen = [[], [], [], []];
let plot;

export function draw(pool) {
  const now = [Date.now() / 1000, pool.clients, pool.open, pool.pinned];
  seen.forEach((series, n) => {
    series.push(now[n]);
    if (series.length > KEPT) series.shift();
  });
  plot ??= new uPlot(options(), seen, holder);
  plot.setData(seen);
}

function options() {
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name);
  const axis = { stroke: colour("--quiet"), grid: { stroke: colour("--line"), width: 1 } };
  const line = (label, name) => ({ label, stroke: colour(name), width: 2, points: { show: false } });
  return {
    ...size(),
    legend: { live: false },
    cursor: { show: false },
    scales: { y: { range: (_plot, _least, most) => [0, Math.max(most || 0, 5)] } },
    axes: [{ ...axis, space: 80 }, { ...axis, size: 36, incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000] }],
    series: [
      {},
      line("clients", "--accent"),
      line("connections", "--transaction"),
      line("pinned", "--pinned"),
    ],
  };
}

function size() {
  return { width: holder.clientWidth, height: Math.max(holder.clientHeight - 32, 80) };
}

function again() {
  plot?.destroy();
  plot = undefined;
}

new ResizeObserver(() => plot?.setSize(size())).observe(holder);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", again);
