import { maskedHost } from '#src/decision/upstream-host.js';
import { AGENT_PORT } from '#src/target/target.js';

/** Of one connection, not of the request; node:http writes its own. */
const HOP_BY_HOP = new Set(['connection', 'keep-alive', 'proxy-connection']);

/**
 * The headers that go into the sandbox, in the order and spelling they came in (names and values in turn, as node:http
 * has them). The gate put the canonical Host in place of the client's, which it left in X-Forwarded-Host (design: a route
 * with a port). The sandbox sees the client's Host and nothing else; with a mask, it sees the mask, and the client's
 * beside it. The agent is never masked.
 */
export function upstreamHeaders(
  raw: readonly string[],
  port: number,
  mask: string | undefined,
  upgrade: boolean,
): string[] {
  const client = firstOf(raw, 'x-forwarded-host') ?? firstOf(raw, 'host') ?? '';
  const masked = port === AGENT_PORT ? undefined : mask && maskedHost(mask, port);
  const headers: string[] = [];
  for (let n = 0; n < raw.length; n += 2) {
    const name = raw[n]!;
    const lower = name.toLowerCase();
    if (lower === 'x-forwarded-host' || (HOP_BY_HOP.has(lower) && !(upgrade && lower === 'connection')))
      continue;
    headers.push(name, lower === 'host' ? (masked ?? client) : raw[n + 1]!);
  }
  if (masked !== undefined) headers.push('X-Forwarded-Host', client);
  return headers;
}

/** Headers of an answer, without those of the connection. */
export function downstreamHeaders(raw: readonly string[]): string[] {
  return raw.filter((_, n) => !HOP_BY_HOP.has(raw[n - (n % 2)]!.toLowerCase()));
}

function firstOf(raw: readonly string[], name: string): string | undefined {
  for (let n = 0; n < raw.length; n += 2) if (raw[n]!.toLowerCase() === name) return raw[n + 1];
  return undefined;
}
