import { seededRandom } from '../measure/random.mjs';
import { zipf } from '../measure/zipf.mjs';
import { addressOf } from './mixes.mjs';

/** Requests to sandboxes one after the other. @typedef {() => { bytes: Buffer, status: number }} Requests */

const TOKEN_HEADER = 'e2b-traffic-access-token';
const UPGRADE =
  'Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: c2FuZGdhdGUtYmVuY2gtMDA=\r\n';

/**
 * The bytes of each request and its expected status. An ingress without a gate gets the destination in a header
 * (`named`) and never refuses a request.
 * @param {import('./mixes.mjs').Mix} mix
 * @param {{ port: number, token: string, gated: boolean, named?: boolean, from?: number }} target
 * `from`: where a walk starts.
 * @returns {Requests}
 */
export function requestsOf(mix, { port, token, gated, named = !gated, from = 0 }) {
  const random = seededRandom(1);
  /** @type {(Buffer | undefined)[][]} */
  const made = [[], []];
  let next = from;
  const draw = mix.draw === 'zipf' ? zipf(mix.ids, 1, random) : () => next++ % mix.ids;
  let asked = 0;

  return () => {
    const n = draw();
    const withToken = mix.withToken === 1 || (mix.withToken === 0.5 && asked++ % 2 === 0);
    const kept = made[withToken ? 1 : 0] ?? [];
    kept[n] ??= bytes(n, withToken);
    const refused = gated && !withToken;
    return { bytes: kept[n], status: refused ? 403 : mix.websocket ? 101 : 200 };
  };

  /** @param {number} n @param {boolean} withToken */
  function bytes(n, withToken) {
    const { body } = mix;
    const method = body === undefined ? 'GET' : 'POST';
    const lines = [`${method} / HTTP/1.1`, `Host: ${port}-${mix.prefix}${n}.e2b.localhost`];
    if (body !== undefined) lines.push(`Content-Length: ${Buffer.byteLength(body)}`);
    if (withToken) lines.push(`${TOKEN_HEADER}: ${token}`);
    if (named) lines.push(`x-bench-destination: ${addressOf(mix.prefix, n)}:${port}`);
    return Buffer.from(`${lines.join('\r\n')}\r\n${mix.websocket ? UPGRADE : ''}\r\n${body ?? ''}`);
  }
}
