import { destination, type Logger, pino } from 'pino';

export type { Logger };

/** A log that cannot be written must cost lines, not memory. */
const MOST_BUFFERED = 1024 * 1024;

/** JSON lines to a file descriptor, written asynchronously: a line on the request path costs microseconds, not a system call. */
export function createLogger(level: string, fd: number): { log: Logger; flush(): void } {
  const out = destination({ dest: fd, sync: false, maxLength: MOST_BUFFERED });
  // A full disk or a closed pipe loses lines; it must not take the gate down.
  out.on('error', () => {});
  return {
    log: pino({ level, base: { pid: process.pid }, timestamp: pino.stdTimeFunctions.isoTime }, out),
    flush() {
      try {
        out.flushSync();
      } catch {
        // Nothing was buffered, or nobody reads any more.
      }
    },
  };
}
