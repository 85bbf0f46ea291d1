import { Code, ConnectError } from '@connectrpc/connect';

const KEEPALIVE_MS = 90_000;
/** Longer is as good as never, and Node's timers cannot. */
const LONGEST_MS = 2 ** 31 - 1;

/** `connect-timeout-ms`: how long the started process may live; absent or 0: for ever, as 0 here. */
export function processTimeoutMs(headers: Headers): number {
  const text = headers.get('connect-timeout-ms') ?? '0';
  if (!/^\d{1,15}$/.test(text))
    throw new ConnectError('connect-timeout-ms is not a number', Code.InvalidArgument);
  const ms = Number(text);
  return ms > LONGEST_MS ? 0 : ms;
}

/** `keepalive-ping-interval`, in seconds: how often a silent stream shows that it lives. */
export function keepaliveMs(headers: Headers): number {
  const seconds = Number(headers.get('keepalive-ping-interval') ?? Number.NaN);
  return seconds >= 1 && seconds * 1000 <= LONGEST_MS ? seconds * 1000 : KEEPALIVE_MS;
}

/** Whether Connect's own deadline can be left to `connect-timeout-ms`; 0 and what overflows a timer mean none. */
export function isRealTimeout(text: string): boolean {
  const ms = Number(text);
  return ms > 0 && ms <= LONGEST_MS;
}
