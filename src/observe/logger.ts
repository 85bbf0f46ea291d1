import { destination, type Logger, pino } from 'pino';
import { printableJson } from '../printable.ts';

export type { Logger };

/** Largest buffer of unwritten lines: if the log cannot be written, lines are lost rather than memory used up. */
const MOST_BUFFERED = 1024 * 1024;

/** Writes JSON lines to a file descriptor asynchronously, so that a request never waits for a system call. */
export function createLogger(level: string, fd: number): { log: Logger; flush(): void } {
  const out = destination({ dest: fd, sync: false, maxLength: MOST_BUFFERED });
  // A full disk or a closed pipe loses lines; it must not take the gate down.
  out.on('error', () => {});
  return {
    log: pino(
      {
        level,
        base: { pid: process.pid },
        timestamp: pino.stdTimeFunctions.isoTime,
        hooks: { streamWrite: printableJson },
      },
      out,
    ),
    flush() {
      try {
        out.flushSync();
      } catch {
        // Nothing was buffered, or the reader is gone.
      }
    },
  };
}
