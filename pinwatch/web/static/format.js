// Formats durations and numbers.

const SPACE = "\u00a0"; // no line ends between a number and its unit

export function duration(seconds) {
  if (Number.isInteger(seconds) && seconds < 60) return joined(seconds, "s");
  if (seconds < 0.001) return joined(Math.max(1, Math.round(seconds * 1e6)), "µs");
  if (seconds < 0.01) return joined((seconds * 1000).toFixed(1), "ms");
  if (seconds < 1) return joined(Math.round(seconds * 1000), "ms");
  if (seconds < 60) return joined(seconds.toFixed(1), "s");
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return joined(minutes, "min", Math.floor(seconds % 60), "s");
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return joined(hours, "h", minutes % 60, "min");
  return joined(Math.floor(hours / 24), "d", hours % 24, "h");
}

function joined(...parts) {
  return parts.join(SPACE);
}

export function rate(value) {
  if (value >= 10000) return `${(value / 1000).toFixed(0)}k`;
  if (value >= 10 || Number.isInteger(value)) return String(Math.round(value));
  return value.toFixed(1);
}

export function number(count, noun) {
  return `${count.toLocaleString("en")} ${noun}${count === 1 ? "" : "s"}`;
}
