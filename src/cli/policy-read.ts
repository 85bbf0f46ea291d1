import type { Flags } from '../config.ts';
import { SandgateError } from '../errors.ts';
import type { PolicyStore, StoredRecord } from '../policy/store.ts';
import { waitInForce } from '../server/in-force.ts';
import { type Io, print, printJson, warn } from './io.ts';
import { withPolicies } from './policies.ts';
import { inForceText } from './policy-put.ts';

const PAGE = 500;

/** `policy get <id>`: prints the record as stored; `policy put` takes it back. */
export async function policyGet(io: Io, sandboxId: string, flags: Flags): Promise<void> {
  await withPolicies(flags, async (store) => {
    const record = await store.read(sandboxId);
    if (record === undefined) throw unknown(sandboxId);
    printJson(io, record);
  });
}

/** `policy list`: a line each, or one JSON array. */
export async function policyList(io: Io, flags: Flags, json: boolean): Promise<void> {
  await withPolicies(flags, async (store) => {
    const records = await readAllRecords(store);
    if (json) return printJson(io, records);
    if (records.length === 0) return print(io, 'no policies');
    for (const record of records) print(io, summary(record));
  });
}

/** `policy delete <id>`. */
export async function policyDelete(io: Io, sandboxId: string, flags: Flags, json: boolean): Promise<void> {
  await withPolicies(flags, async (store, settings) => {
    const { sequence } = await store.delete(sandboxId);
    const force = await waitInForce(settings.stateDir, sequence, () => performance.now());
    if (json) printJson(io, { deleted: sandboxId, gates: force.gates, inForce: force.behind.length === 0 });
    else print(io, `deleted ${sandboxId}: ${inForceText(force.gates)}`);
    for (const gate of force.behind)
      warn(io, `deleted, but the gate with pid ${gate.pid} has not taken it up yet`);
  });
}

async function readAllRecords(store: PolicyStore): Promise<StoredRecord[]> {
  const records: StoredRecord[] = [];
  for (;;) {
    const after = records.at(-1)?.sandboxId as string | undefined;
    const page = await store.list({ ...(after !== undefined && { after }), limit: PAGE });
    records.push(...page);
    if (page.length < PAGE) return records;
  }
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

function unknown(sandboxId: string): SandgateError {
  return new SandgateError('SANDBOX_UNKNOWN', `there is no policy for ${sandboxId}`, {
    remedy: 'see `sandgate policy list`',
  });
}
