import { type UnreadRecord, unreadPart } from './record.ts';
import type { StorePosition } from './store.ts';

/** The version of one part of a record: `<epoch>.<sequence>`. */
export function formatVersion(position: StorePosition): string {
  return `${position.epoch}.${position.sequence}`;
}

/** Undefined if it is malformed. */
export function parseVersion(version: string): StorePosition | undefined {
  const match = /^([0-9a-f]{16})\.(\d{1,15})$/.exec(version);
  return match === null ? undefined : { epoch: match[1]!, sequence: Number(match[2]) };
}

/** The newer of the two parts' versions; the access part's if they cannot be compared. */
export function newerVersion(runtime: string, access: string): string {
  const [left, right] = [parseVersion(runtime), parseVersion(access)];
  const comparable = left !== undefined && right !== undefined && left.epoch === right.epoch;
  return comparable && left.sequence > right.sequence ? runtime : access;
}

/** The version of a whole record: `<runtime version>/<access version>`. */
export function recordVersion(record: UnreadRecord): string {
  const [runtime, access] = [unreadPart(record, 'runtime'), unreadPart(record, 'access')];
  return `${String(runtime.version ?? '')}/${String(access.version ?? '')}`;
}
