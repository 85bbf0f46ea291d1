import {
  type PartName,
  type PolicyPut,
  type Unread,
  type UnreadRecord,
  unreadPart,
} from '../policy/record.ts';
import { requestInvalid } from './schemas.ts';

/** What a write expects to find. */
export interface Precondition {
  /** `If-Match`, without its quotes. */
  match?: string;
  /** `If-None-Match: *`. */
  create: boolean;
}

/** How a version, and the ETag of a whole record, look. */
export const VERSION = '[0-9a-f]{16}\\.[0-9]{1,15}';
export const RECORD_TAG = `${VERSION}/${VERSION}`;

/** `"<version>"` of one part of a record. */
export function partTag(record: UnreadRecord, part: PartName): string {
  return `"${String(unreadPart(record, part).version)}"`;
}

/** Throws REQUEST_INVALID. `form`: how the tags of that resource look, as a pattern. */
export function precondition(headers: NodeJS.Dict<string | string[]>, form: string): Precondition {
  const match = headers['if-match'];
  const none = headers['if-none-match'];
  if (none !== undefined && none !== '*') throw requestInvalid('if-none-match', 'must be *');
  if (match === undefined) return { create: none === '*' };
  if (none !== undefined) throw requestInvalid('if-none-match', 'cannot go with if-match');
  if (typeof match !== 'string' || !new RegExp(`^"${form}"$`).test(match)) {
    throw requestInvalid('if-match', 'must be one ETag that a GET of this resource gave');
  }
  return { match: match.slice(1, -1), create: false };
}

/** The record of a PUT with the versions that it expects in it. Throws REQUEST_INVALID. */
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
  // Its ETag is of both parts: a part that is left out could have changed unseen.
  if (typeof part !== 'object' || part === null) {
    throw requestInvalid(name, 'is missing: if-match is about both parts; put one alone under its own path');
  }
  return { ...part, version };
}
