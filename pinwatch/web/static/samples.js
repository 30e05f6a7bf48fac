// The samples of the last hour: those of the API in one row of times, kept up to date.

const HOUR = 3600; // seconds
const MISSED = 3; // samples without which a line is broken

let fine = []; // one a second for five minutes
let coarse = []; // one in ten seconds for an hour
let latest = null;

export function query() {
  return latest ? `?since=${encodeURIComponent(latest)}` : "";
}

export function forget() {
  [fine, coarse, latest] = [[], [], null];
}

export function keep(resolutions) {
  const [newFine, newCoarse] = resolutions.map(rows);
  fine = kept(fine, newFine, resolutions[0].span);
  coarse = kept(coarse, newCoarse, resolutions[1].span);
  latest = fine.at(-1)?.iso ?? null;
}

// All samples, the coarse ones where there are no fine ones. Where some are missing, there
// is a row without figures.
export function all() {
  const since = fine[0]?.at ?? Infinity;
  const samples = [...coarse.filter((one) => one.at < since), ...fine];
  return samples.flatMap((one, n) => {
    const gap = n > 0 && one.at - samples[n - 1].at > MISSED * Math.max(one.seconds, samples[n - 1].seconds);
    return gap ? [{ at: (one.at + samples[n - 1].at) / 2, missing: true }, one] : [one];
  });
}

// The rules that pin, those that pinned most connections at a time first.
export function rules() {
  const most = {};
  for (const { pinned } of [...coarse, ...fine]) {
    for (const [rule, count] of Object.entries(pinned)) most[rule] = Math.max(most[rule] ?? 0, count);
  }
  return Object.keys(most).sort((one, other) => most[other] - most[one]);
}

function rows(columns) {
  return columns.at.map((iso, n) => ({
    iso,
    at: Date.parse(iso) / 1000,
    seconds: columns.seconds,
    clients: columns.clients[n],
    connections: columns.connections[n],
    waiting: columns.waiting[n],
    pins: columns.pins[n],
    statements: columns.statements_per_second[n],
    p50: columns.borrow_wait_p50[n],
    p99: columns.borrow_wait_p99[n],
    pinned: Object.fromEntries(Object.entries(columns.pinned).map(([rule, counts]) => [rule, counts[n]])),
  }));
}

// The wall clock may have been set back: then new samples replace those that seem later.
function kept(known, added, span) {
  const first = added[0]?.at ?? Infinity;
  const merged = [...known.filter((one) => one.at < first), ...added];
  const oldest = (merged.at(-1)?.at ?? 0) - Math.min(span, HOUR);
  return merged.filter((one) => one.at > oldest);
}
