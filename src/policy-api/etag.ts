import {
  type PartName,
  type PolicyPut,
  type Unread,
  type UnreadRecord,
  unreadPart,
} from '../policy/record.ts';
import { requestInvalid } from './schemas.ts';

/** The stored state that a write expects. */
export interface Precondition {
  /** `If-Match`, without its quotes. */
  match?: string;
  /** `If-None-Match: *`. */
  create: boolean;
}

/** Patterns of a part's version, and of a whole record's. */
export const VERSION = '[0-9a-f]{16}\\.[0-9]{1,15}';
export const RECORD_TAG = `${VERSION}/${VERSION}`;

/** The ETag of one part of a record. */
export function partTag(record: UnreadRecord, part: PartName): string {
  return `"${String(unreadPart(record, part).version)}"`;
}

/** Throws REQUEST_INVALID. `pattern`: what the ETags of the resource look like, without quotes. */
export function precondition(headers: NodeJS.Dict<string | string[]>, pattern: string): Precondition {
  const match = headers['if-match'];
  const none = headers['if-none-match'];
  if (none !== undefined && none !== '*') throw requestInvalid('if-none-match', 'must be *');
  if (match === undefined) return { create: none === '*' };
  if (none !== undefined) throw requestInvalid('if-none-match', 'cannot go with if-match');
  if (typeof match !== 'string' || !new RegExp(`^"${pattern}"$`).test(match)) {
    throw requestInvalid('if-match', 'must be one ETag from a GET of this resource');
  }
  return { match: match.slice(1, -1), create: false };
}

/** Adds the expected versions to the record of a PUT. Throws REQUEST_INVALID. */
export function expecting(body: Unread<PolicyPut>, match: string): Unread<PolicyPut> {
  const [runtime, access] = match.split('/');
  return {
    ...body,
    runtime: partExpecting(body, 'runtime', runtime!),
    access: partExpecting(body, 'access', access!),
  };
}

function partExpecting(body: Unread<PolicyPut>, name: PartName, version: string): unknown {
  const part = body[name];
  // The ETag covers both parts, so a part that is left out could have changed unnoticed.
  if (typeof part !== 'object' || part === null) {
    throw requestInvalid(name, 'is missing: if-match covers both parts; to write one part, use its own path');
  }
  return { ...part, version };
}
