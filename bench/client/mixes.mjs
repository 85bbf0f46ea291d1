/**
 * The requests of a round. `ids`: number of sandboxes, chosen as `draw` says; `prefix` of their ids (`s`: all on
 * 127.0.0.1, `d`: each on its own address). `withToken`: share of requests with the token; the others must get a 403.
 * `body`: makes each a POST.
 * @typedef {{ title: string, ids: number, prefix: 's' | 'd', draw: 'zipf' | 'walk', withToken: 0 | 0.5 | 1, websocket: boolean, body?: string }} Mix
 */

/** @type {Omit<Mix, 'title'>} */
const HOT = { ids: 1, prefix: 's', draw: 'walk', withToken: 1, websocket: false };

export const MIXES = /** @satisfies {Record<string, Mix>} */ ({
  allow: { ...HOT, title: 'hot allow: one sandbox, valid token' },
  deny: { ...HOT, title: 'deny: no token, 403', withToken: 0 },
  half: { ...HOT, title: '50 % denials', withToken: 0.5 },
  zipf10k: { ...HOT, title: '10,000 sandboxes, Zipf', ids: 10_000, draw: 'zipf' },
  zipf100k: { ...HOT, title: '100,000 sandboxes, Zipf', ids: 100_000, draw: 'zipf' },
  cold: { ...HOT, title: 'cold: each request for a sandbox that is not cached', ids: 100_000 },
  destinations: { ...HOT, title: '10,000 distinct destinations', ids: 10_000, prefix: 'd' },
  post: { ...HOT, title: 'hot POST: one sandbox, 5 bytes', body: 'hello' },
  websocket: { ...HOT, title: 'WebSocket handshakes, one connection each', websocket: true },
});

/** @typedef {keyof typeof MIXES} MixName */

/** The largest number of sandboxes of each prefix in these mixes. @param {readonly MixName[]} names */
export function population(names) {
  const most = (/** @type {string} */ prefix) =>
    Math.max(1, ...names.map((name) => MIXES[name]).map((mix) => (mix.prefix === prefix ? mix.ids : 0)));
  return { s: most('s'), d: most('d') };
}

/** @param {string} prefix @param {number} n */
export function addressOf(prefix, n) {
  return prefix === 'd' ? `127.${1 + (n >> 16)}.${(n >> 8) & 255}.${n & 255}` : '127.0.0.1';
}
