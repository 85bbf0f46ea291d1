import { setTimeout as pause } from 'node:timers/promises';
import { SandgateError, toSandgateError } from '../../errors.ts';

/** By the second word of a SQLite code: the end of a sentence about the store. */
const REASONS: Record<string, string> = {
  BUSY: 'is locked by another process',
  LOCKED: 'is locked by another process',
  FULL: 'cannot grow: the disk is full',
  IOERR: 'could not be read or written: the disk reports an error',
  READONLY: 'cannot be written: the file or its disk is read-only',
};

/** With the wait inside SQLite (100 ms each), about two seconds in total. */
const ATTEMPTS = 20;
const PAUSE_MS = 10;

/** SQLite's codes as Sandgate's errors; no other file reads them. */
export function translateSqlite(thrown: unknown, path: string): SandgateError {
  const code = sqliteCode(thrown);
  if (code === undefined) return toSandgateError(thrown);
  if (/^SQLITE_(NOTADB|CORRUPT)/.test(code))
    return storeCorrupt(path, 'is damaged, or not a SQLite file', thrown);
  return storeUnavailable(path, REASONS[code.split('_')[1]!] ?? `cannot be used (${code})`, thrown);
}

/** The same for opening, where a fault means that the path is unusable, not that the store is briefly unavailable. */
export function translateOpening(thrown: unknown, path: string): SandgateError {
  const code = sqliteCode(thrown) ?? systemCode(thrown);
  if (code === undefined || !/^(SQLITE_(CANTOPEN|READONLY|PERM|AUTH)|E[A-Z]+$)/.test(code)) {
    return translateSqlite(thrown, path);
  }
  return new SandgateError(
    'STATE_UNUSABLE',
    `the policy store ${path} cannot be created or written (${code})`,
    {
      field: path,
      remedy: 'choose a folder on a local disk that the user of this process can write',
      cause: thrown,
    },
  );
}

/** Runs `work` again while another process holds the lock, without blocking this one for long. Throws its last error. */
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

export function storeCorrupt(path: string, reason: string, cause?: unknown): SandgateError {
  return new SandgateError('STORE_CORRUPT', `the policy store ${path} ${reason}; it was not changed`, {
    field: path,
    remedy: `stop every gate, move ${path}, ${path}-wal and ${path}-shm away together, then restore a backup or start empty`,
    cause,
  });
}

export function storeUnavailable(path: string, reason: string, cause?: unknown): SandgateError {
  return new SandgateError('STORE_UNAVAILABLE', `the policy store ${path} ${reason}`, {
    field: path,
    cause,
  });
}

function isBusy(thrown: unknown): boolean {
  return /^SQLITE_(BUSY|LOCKED)/.test(sqliteCode(thrown) ?? '');
}

function sqliteCode(thrown: unknown): string | undefined {
  const { code, message } = (thrown ?? {}) as { code?: unknown; message?: unknown };
  if (typeof code === 'string' && code.startsWith('SQLITE_')) return code;
  // libsql gives a failed open no code, only SQLite's number at the end of the message.
  return typeof message === 'string' && message.startsWith('ConnectionFailed')
    ? 'SQLITE_CANTOPEN'
    : undefined;
}

function systemCode(thrown: unknown): string | undefined {
  const { code, syscall } = (thrown ?? {}) as NodeJS.ErrnoException;
  return syscall === undefined ? undefined : code;
}
