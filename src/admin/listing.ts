import { setImmediate as turn } from 'node:timers/promises';
import type { PolicyStore, StoredRecord } from '../policy/store.ts';
import type { ListPage, ListRequest } from './policy-admin.ts';
import { LIST_MAX } from './requests.ts';

/** A filter that matches little ends its page after so many records: the gate answers Envoy in between. */
const SCANNED_MAX = 10 * LIST_MAX;

/** One page. Under a filter it may be short, or empty, and still have a `next`. */
export async function listRecords(store: PolicyStore, request: ListRequest): Promise<ListPage> {
  const { limit, state, idPrefix = '' } = request;
  const batch = state === undefined ? limit + 1 : LIST_MAX;
  const records: StoredRecord[] = [];
  let cursor = laterOf(request.after, before(idPrefix));
  for (let scanned = 0; ; scanned += batch) {
    const found = await store.list({ ...(cursor !== undefined && { after: cursor }), limit: batch });
    for (const record of found) {
      const id = String(record.sandboxId);
      if (!id.startsWith(idPrefix)) return { records };
      if (records.length === limit) return { records, next: cursor! };
      cursor = id;
      if (state === undefined || stateOf(record) === state) records.push(record);
    }
    if (found.length < batch) return { records };
    if (scanned + batch >= SCANNED_MAX) return { records, next: cursor! };
    await turn();
  }
}

/** The place just ahead of every id with this prefix: ids are a-z and 0-9, all of them below `~`. */
function before(prefix: string): string | undefined {
  if (prefix === '') return undefined;
  const last = prefix.charCodeAt(prefix.length - 1);
  return `${prefix.slice(0, -1)}${String.fromCharCode(last - 1)}~`;
}

function laterOf(a: string | undefined, b: string | undefined): string | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return a > b ? a : b;
}

function stateOf(record: StoredRecord): unknown {
  return (record.runtime as { state?: unknown } | undefined)?.state;
}
