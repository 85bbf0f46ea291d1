import { type Command, Option } from 'commander';
import { z } from 'zod';
import type { PolicyRules } from '../../policy/network.ts';
import { storedSchema, type UnreadRecord, unreadPart } from '../../policy/record.ts';
import type { ListRequest, PolicyAdmin } from '../../policy-api/policy-admin.ts';
import type { CommandContext } from '../context.ts';
import { print, printJson, printRow } from '../io.ts';

type ListFilter = Pick<ListRequest, 'state' | 'idPrefix'>;

interface ListOptions {
  state?: NonNullable<ListRequest['state']>;
  prefix?: string;
}

/** `policy list`: one line per policy, or one JSON array. */
export function register(parent: Command, context: CommandContext): void {
  parent
    .command('list')
    .description('list policies: id, state, route, access')
    .addOption(
      new Option('--state <state>', 'only policies in this state').choices([
        'running',
        'paused',
        'transitioning',
      ]),
    )
    .option('--prefix <text>', 'only ids that start with this')
    .option('--json', 'print one array of records')
    .action(({ state, prefix }: ListOptions) =>
      policyList(context, { ...(state && { state }), ...(prefix && { idPrefix: prefix }) }),
    );
}

async function policyList(context: CommandContext, filter: ListFilter): Promise<void> {
  const { io, json } = context;
  await context.connect({ reads: true }, async ({ admin, rules }) => {
    const records: UnreadRecord[] = [];
    let count = 0;
    for await (const page of policyPages(admin, filter)) {
      count += page.length;
      if (json) records.push(...page);
      else for (const record of page) printRow(io, summary(record, rules));
    }
    if (json) printJson(io, records);
    else if (count === 0) print(io, 'no policies');
  });
}

/** As much of a route as is listed: a record that no gate can use is listed as far as it can be read. */
const routeSchema = z.object(storedSchema.shape.runtime.shape.route.unwrap().shape);

function summary(record: UnreadRecord, { publicTraffic }: PolicyRules): string[] {
  const runtime = unreadPart(record, 'runtime');
  const access = unreadPart(record, 'access');
  const { address, port } = routeSchema.safeParse(runtime.route).data ?? { address: '-' };
  const route = port === undefined ? address : `${address}:${port}`;
  const tokens = Array.isArray(access.tokens) ? access.tokens.length : 0;
  const closed = tokens === 0 ? 'closed: no token' : `${tokens} token(s)`;
  const isPublic = access.allowPublicTraffic === true;
  const refused = isPublic && publicTraffic === 'refuse' ? ' (public is refused)' : '';
  const accessText = isPublic && refused === '' ? 'public' : `${closed}${refused}`;
  return [String(record.sandboxId), String(runtime.state ?? '?'), route, accessText];
}

const PAGE = 500;

/** Every policy that matches the filter, a page at a time, in ascending order of ids. */
export async function* policyPages(
  admin: Pick<PolicyAdmin, 'list'>,
  filter: ListFilter = {},
): AsyncGenerator<UnreadRecord[]> {
  let after: string | undefined;
  do {
    const page = await admin.list({ ...filter, ...(after !== undefined && { after }), limit: PAGE });
    if (page.records.length > 0) yield page.records;
    after = page.next;
  } while (after !== undefined);
}
