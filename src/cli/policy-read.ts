import type { ListRequest } from '../admin/policy-admin.ts';
import type { Flags } from '../config.ts';
import type { StoredRecord } from '../policy/store.ts';
import { inForceText, warnIfNotInForce } from './in-force-text.ts';
import { type Io, print, printJson } from './io.ts';
import { withPolicies } from './policies.ts';
import { policyPages } from './policy-pages.ts';

/** `policy get <id>`: prints the record as stored; `policy put` takes it back. */
export async function policyGet(io: Io, sandboxId: string, flags: Flags, json: boolean): Promise<void> {
  await withPolicies(io, flags, json, async ({ admin }) => printJson(io, await admin.get(sandboxId)));
}

/** `policy list`: a line each, or one JSON array. `filter.state` is one of the three. */
export async function policyList(
  io: Io,
  filter: Pick<ListRequest, 'state' | 'idPrefix'>,
  flags: Flags,
  json: boolean,
): Promise<void> {
  await withPolicies(io, flags, json, async ({ admin }) => {
    const records: StoredRecord[] = [];
    let count = 0;
    for await (const page of policyPages(admin, filter)) {
      count += page.length;
      if (json) records.push(...page);
      else for (const record of page) print(io, summary(record));
    }
    if (json) printJson(io, records);
    else if (count === 0) print(io, 'no policies');
  });
}

/** `policy delete <id>`. */
export async function policyDelete(io: Io, sandboxId: string, flags: Flags, json: boolean): Promise<void> {
  await withPolicies(io, flags, json, async ({ admin, way }) => {
    const deleted = await admin.delete(sandboxId);
    const { gates, inForce } = deleted;
    if (json) printJson(io, { deleted: sandboxId, gates, inForce, via: way });
    else print(io, `deleted ${sandboxId}: ${inForceText(deleted, way)}`);
    warnIfNotInForce(io, deleted);
  });
}

function summary(record: StoredRecord): string {
  const runtime = record.runtime as
    | { state?: string; route?: { address?: string; port?: number } }
    | undefined;
  const access = record.access as { allowPublicTraffic?: boolean; tokens?: unknown[] } | undefined;
  const route = runtime?.route
    ? `${runtime.route.address}${runtime.route.port ? `:${runtime.route.port}` : ''}`
    : '-';
  const door = access?.allowPublicTraffic === true ? 'public' : `${access?.tokens?.length ?? 0} token(s)`;
  return [record.sandboxId, runtime?.state ?? '?', route, door].join('\t');
}
