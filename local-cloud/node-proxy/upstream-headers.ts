import { maskedHost } from '#src/decision/upstream-host.js';
import { FORWARDED_HOST_HEADER, NODE_PROXY_KEY_HEADER } from '#src/target/headers.js';
import { AGENT_PORT } from '#src/target/target.js';

/** Headers of one connection, not of the request; node:http writes its own. */
const HOP_BY_HOP = new Set(['connection', 'keep-alive', 'proxy-connection']);

/**
 * The headers for the sandbox, in their original order and spelling (alternating names and values, as in node:http's
 * `rawHeaders`). For a route with a port, the gate has replaced the client's Host by the canonical one and moved it to
 * X-Forwarded-Host. The sandbox gets the client's Host back, without X-Forwarded-Host; with a mask, it gets the mask as
 * Host and the client's as X-Forwarded-Host. The agent's Host is never masked.
 */
export function upstreamHeaders(
  raw: readonly string[],
  port: number,
  mask: string | undefined,
  upgrade: boolean,
): string[] {
  const client = firstOf(raw, FORWARDED_HOST_HEADER) ?? firstOf(raw, 'host') ?? '';
  const masked = port === AGENT_PORT ? undefined : mask && maskedHost(mask, port);
  const headers: string[] = [];
  for (let n = 0; n < raw.length; n += 2) {
    const name = raw[n]!;
    const lower = name.toLowerCase();
    // With the key, code in a sandbox could pass for the gate.
    if (lower === NODE_PROXY_KEY_HEADER) continue;
    if (lower === FORWARDED_HOST_HEADER || (HOP_BY_HOP.has(lower) && !(upgrade && lower === 'connection')))
      continue;
    headers.push(name, lower === 'host' ? (masked ?? client) : raw[n + 1]!);
  }
  if (masked !== undefined) headers.push('X-Forwarded-Host', client);
  return headers;
}

/** The headers of a response without those of the connection, and without a length if there are chunks. */
export function downstreamHeaders(raw: readonly string[]): string[] {
  const chunked = firstOf(raw, 'transfer-encoding') !== undefined;
  return raw.filter((_, n) => {
    const name = raw[n - (n % 2)]!.toLowerCase();
    return !HOP_BY_HOP.has(name) && !(chunked && name === 'content-length');
  });
}

function firstOf(raw: readonly string[], name: string): string | undefined {
  for (let n = 0; n < raw.length; n += 2) if (raw[n]!.toLowerCase() === name) return raw[n + 1];
  return undefined;
}
