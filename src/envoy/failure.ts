import { readFileSync, statSync } from 'node:fs';
import { SandgateError } from '../errors.ts';

/** Bytes in a log so far: where the lines of the run that starts now begin. */
export function logSize(file: string): number {
  return statSync(file, { throwIfNoEntry: false })?.size ?? 0;
}

/** What kept Envoy from starting, read from its log from byte `from` on: ADDRESS_IN_USE or ENVOY_FAILED. */
export function whyEnvoyEnded(binary: string, logFile: string, from: number): SandgateError {
  const words = lastWords(readFileSync(logFile).subarray(from).toString());
  if (words === '')
    return envoyFailure(`${binary} ended at once and said nothing`, 'name another in SANDGATE_ENVOY');
  const taken = /cannot bind '([^']+)': Address already in use/.exec(words)?.[1];
  if (taken === undefined) return envoyFailure(`Envoy ended before it was ready: ${words}`, `see ${logFile}`);
  return new SandgateError('ADDRESS_IN_USE', `Envoy cannot listen on ${taken}: the address is in use`, {
    remedy:
      'stop what listens there, or choose other addresses (SANDGATE_HTTP, SANDGATE_HTTPS, and SANDGATE_OPS beside another stack; port 0: any free one)',
  });
}

/** The reason that Envoy gives on its last critical or error line, without the line's own head. */
export function lastWords(log: string): string {
  const lines = log.trim().split('\n');
  const line = lines.findLast((text) => /\[(critical|error)\]/.test(text)) ?? lines.at(-1) ?? '';
  const reason = /error `(.*)` initializing config/.exec(line)?.[1];
  return (reason ?? line.replace(/^(\[[^\]]*\]\s*)+/, '')).replace(/\s+/g, ' ');
}

export function envoyFailure(message: string, remedy?: string, cause?: unknown): SandgateError {
  return new SandgateError('ENVOY_FAILED', message, {
    ...(remedy !== undefined && { remedy }),
    ...(cause !== undefined && { cause }),
  });
}
