import type { StoredRecord, StorePosition } from './store.ts';

/** `<epoch>.<sequence>`, the version of one part of a record. */
export function formatVersion(position: StorePosition): string {
  return `${position.epoch}.${position.sequence}`;
}

/** The newer of the two parts' versions; undefined where they cannot be read, or come from two epochs. */
export function recordPosition(record: StoredRecord): StorePosition | undefined {
  const runtime = partPosition(record.runtime);
  const access = partPosition(record.access);
  if (runtime === undefined || access === undefined || runtime.epoch !== access.epoch) return undefined;
  return runtime.sequence > access.sequence ? runtime : access;
}

/** `<runtime version>/<access version>`: of the whole record. */
export function recordVersion(record: StoredRecord): string {
  return `${partVersion(record.runtime)}/${partVersion(record.access)}`;
}

function partVersion(part: unknown): string {
  return String((part as { version?: unknown } | null | undefined)?.version ?? '');
}

function partPosition(part: unknown): StorePosition | undefined {
  const version = (part as { version?: unknown } | null | undefined)?.version;
  const match = typeof version === 'string' ? /^([0-9a-f]{16})\.(\d{1,15})$/.exec(version) : null;
  return match === null ? undefined : { epoch: match[1]!, sequence: Number(match[2]) };
}
