import { z } from 'zod';
import type { Flags } from '../../config.ts';
import { storedSchema, type UnreadRecord, unreadPart } from '../../policy/record.ts';
import type { ListRequest, PolicyAdmin } from '../../policy-api/policy-admin.ts';
import { inForceText, warnIfNotInForce, withPolicies } from '../connect.ts';
import { type Io, print, printJson } from '../io.ts';

/** `policy get <id>`: prints the record as stored; `policy put` takes it back. */
export async function policyGet(io: Io, sandboxId: string, flags: Flags, json: boolean): Promise<void> {
  await withPolicies(io, flags, { quiet: json, reads: true }, async ({ admin }) =>
    printJson(io, await admin.get(sandboxId)),
  );
}

/** `policy list`: a line each, or one JSON array. `filter.state` is one of the three. */
export async function policyList(
  io: Io,
  filter: Pick<ListRequest, 'state' | 'idPrefix'>,
  flags: Flags,
  json: boolean,
): Promise<void> {
  await withPolicies(io, flags, { quiet: json, reads: true }, async ({ admin }) => {
    const records: UnreadRecord[] = [];
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
  await withPolicies(io, flags, { quiet: json, reads: true }, async ({ admin, way }) => {
    const deleted = await admin.delete(sandboxId);
    const { gates, inForce } = deleted;
    if (json) printJson(io, { deleted: sandboxId, gates, inForce, via: way });
    else print(io, `deleted ${sandboxId}: ${inForceText(deleted, way)}`);
    warnIfNotInForce(io, deleted);
  });
}

/** As much of a route as is listed: a record that no gate can use is listed as far as it can be read. */
const routeSchema = z.object(storedSchema.shape.runtime.shape.route.unwrap().shape);

function summary(record: UnreadRecord): string {
  const runtime = unreadPart(record, 'runtime');
  const access = unreadPart(record, 'access');
  const { address, port } = routeSchema.safeParse(runtime.route).data ?? { address: '-' };
  const route = port === undefined ? address : `${address}:${port}`;
  const tokens = Array.isArray(access.tokens) ? access.tokens.length : 0;
  const closed = tokens === 0 ? 'closed: no token' : `${tokens} token(s)`;
  const door = access.allowPublicTraffic === true ? 'public' : closed;
  return [record.sandboxId, runtime.state ?? '?', route, door].join('\t');
}

const PAGE = 500;

/** Every policy that the filter lets through, a page at a time, ids ascending. */
export async function* policyPages(
  admin: Pick<PolicyAdmin, 'list'>,
  filter: Pick<ListRequest, 'state' | 'idPrefix'> = {},
): AsyncGenerator<UnreadRecord[]> {
  let after: string | undefined;
  do {
    const page = await admin.list({ ...filter, ...(after !== undefined && { after }), limit: PAGE });
    if (page.records.length > 0) yield page.records;
    after = page.next;
  } while (after !== undefined);
}
