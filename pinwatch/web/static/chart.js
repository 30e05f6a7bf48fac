// Clients, database connections and pinned sessions over the last five minutes.

import uPlot from "./uplot/uPlot.esm.js";

const SAMPLES = 300; // one a second
const holder = document.getElementById("chart");
const samples = [[], [], [], []];
let plot;

export function draw(pool) {
  const now = [Date.now() / 1000, pool.clients, pool.open, pool.pinned];
  samples.forEach((series, n) => {
    series.push(now[n]);
    if (series.length > SAMPLES) series.shift();
  });
  plot ??= new uPlot(options(), samples, holder);
  plot.setData(samples);
}

function options() {
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name);
  const axis = { stroke: colour("--quiet"), grid: { stroke: colour("--line"), width: 1 } };
  const line = (label, name) => ({ label, stroke: colour(name), width: 2, points: { show: false } });
  return {
    ...size(),
    legend: { live: false },
    cursor: { show: false },
    scales: { y: { range: (_plot, _min, max) => [0, Math.max(max || 0, 5)] } },
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

function reset() {
  plot?.destroy();
  plot = undefined;
}

new ResizeObserver(() => plot?.setSize(size())).observe(holder);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", reset);
