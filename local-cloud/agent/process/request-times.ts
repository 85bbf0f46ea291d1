import { Code, ConnectError } from '@connectrpc/connect';

const KEEPALIVE_MS = 90_000;
/** The longest timeout of Node's timers. A longer one counts as none. */
const LONGEST_MS = 2 ** 31 - 1;

/** `connect-timeout-ms`: how long the process may run. Returns 0, for no limit, if it is absent, 0 or too long for a timer. */
export function processTimeoutMs(headers: Headers): number {
  const text = headers.get('connect-timeout-ms') ?? '0';
  if (!/^\d{1,15}$/.test(text))
    throw new ConnectError('connect-timeout-ms is not a number', Code.InvalidArgument);
  const ms = Number(text);
  return ms > LONGEST_MS ? 0 : ms;
}

/** `keepalive-ping-interval`, in seconds: how often a silent stream sends a keepalive. */
export function keepaliveMs(headers: Headers): number {
  const seconds = Number(headers.get('keepalive-ping-interval') ?? Number.NaN);
  return seconds >= 1 && seconds * 1000 <= LONGEST_MS ? seconds * 1000 : KEEPALIVE_MS;
}

/** Whether `connect-timeout-ms` can be left to Connect's own deadline. 0, or more than a timer can hold, means no deadline. */
export function isRealTimeout(text: string): boolean {
  const ms = Number(text);
  return ms > 0 && ms <= LONGEST_MS;
}
