import { setTimeout as pause } from 'node:timers/promises';
import { SandgateError, toSandgateError } from '../../errors.ts';

/** The one place that knows SQLite's codes. */
export function translateSqlite(thrown: unknown, path: string): SandgateError {
  const code = sqliteCode(thrown);
  if (code === undefined) return toSandgateError(thrown);
  if (/^SQLITE_(NOTADB|CORRUPT)/.test(code))
    return storeCorrupt(path, 'is damaged, or not a SQLite file', thrown);
  return storeUnavailable(path, reasons[code.split('_')[1]!] ?? `cannot be used (${code})`, thrown);
}

/** At start the same faults mean that the place is wrong, not that the store is away for a moment. */
export function translateOpening(thrown: unknown, path: string): SandgateError {
  const code = sqliteCode(thrown) ?? systemCode(thrown);
  if (code === undefined || !/^(SQLITE_(CANTOPEN|READONLY|PERM|AUTH)|E[A-Z]+$)/.test(code)) {
    return translateSqlite(thrown, path);
  }
  return new SandgateError(
    'STATE_UNUSABLE',
    `The policy store ${path} cannot be made or written (${code}).`,
    {
      field: path,
      remedy: 'Name a folder that the user of this process can write, on a disk of this machine.',
      cause: thrown,
    },
  );
}

function isBusy(thrown: unknown): boolean {
  return /^SQLITE_(BUSY|LOCKED)/.test(sqliteCode(thrown) ?? '');
}

export function storeCorrupt(path: string, reason: string, cause?: unknown): SandgateError {
  return new SandgateError('STORE_CORRUPT', `The policy store ${path} ${reason}; it was left as it is.`, {
    field: path,
    remedy: `Stop every gate, move ${path}, ${path}-wal and ${path}-shm away together, then restore a backup or start empty.`,
    cause,
  });
}

export function storeUnavailable(path: string, reason: string, cause?: unknown): SandgateError {
  return new SandgateError('STORE_UNAVAILABLE', `The policy store ${path} ${reason}.`, {
    field: path,
    cause,
  });
}

const reasons: Record<string, string> = {
  BUSY: 'is locked by another process',
  LOCKED: 'is locked by another process',
  FULL: 'cannot grow: the disk is full',
  IOERR: 'could not be read or written: the disk reports an error',
  READONLY: 'cannot be written: file or disk are read only',
};

function sqliteCode(thrown: unknown): string | undefined {
  const { code, message } = (thrown ?? {}) as { code?: unknown; message?: unknown };
  if (typeof code === 'string' && code.startsWith('SQLITE_')) return code;
  // libsql gives a failed open no code of its own, only SQLite's number at the end of the text.
  return typeof message === 'string' && message.startsWith('ConnectionFailed')
    ? 'SQLITE_CANTOPEN'
    : undefined;
}

function systemCode(thrown: unknown): string | undefined {
  const { code, syscall } = (thrown ?? {}) as NodeJS.ErrnoException;
  return syscall === undefined ? undefined : code;
}

/** With the wait inside SQLite (100 ms each), somebody else's lock is given up on after about two seconds. */
const ATTEMPTS = 20;
const PAUSE_MS = 10;

/** Waits for somebody else's lock without stopping the process for long. Throws what `work` threw. */
export async function whileBusy<T>(work: () => T): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return work();
    } catch (error) {
      if (!isBusy(error) || attempt === ATTEMPTS) throw error;
    }
    await pause(PAUSE_MS);
  }
}
