import { z } from 'zod';
import { type SandboxEntry, TEMPLATE } from '../lifecycle/sandbox-entry.ts';

const LARGEST_PAGE = 100;
const STATES = ['running', 'paused'] as const;

/** Query parameters as fastify reads them: a repeated one is an array. */
const several = z
  .union([z.string(), z.array(z.string())])
  .transform((value) => [value].flat().flatMap((text) => text.split(',')));

export const listQuery = z.looseObject({
  limit: z.coerce.number().int().min(1).max(LARGEST_PAGE).default(LARGEST_PAGE),
  nextToken: z.string().transform(readCursor).optional(),
  state: several.pipe(z.array(z.enum(STATES))).default([...STATES]),
  metadata: z.string().transform(readMetadata).optional(),
  order: z.enum(['asc', 'desc']).default('desc'),
  startedAfter: z.iso.datetime({ offset: true }).transform(Date.parse).optional(),
  template: z.string().optional(),
});
export type ListQuery = z.infer<typeof listQuery>;

export interface Page {
  entries: SandboxEntry[];
  /** Cursor of the next page; absent on the last one. */
  nextToken?: string;
}

type Cursor = Pick<SandboxEntry, 'startedAt' | 'sandboxId'>;

export function pageOf(all: readonly SandboxEntry[], query: ListQuery): Page {
  const { limit, nextToken, state, metadata = {}, order, startedAfter = 0, template = TEMPLATE } = query;
  const sign = order === 'asc' ? 1 : -1;
  const found = all
    .filter((entry) => state.some((one) => one === entry.state))
    .filter((entry) => entry.startedAt >= startedAfter && template === TEMPLATE)
    .filter((entry) => Object.entries(metadata).every(([key, value]) => entry.metadata[key] === value))
    .filter((entry) => nextToken === undefined || sign * compare(entry, nextToken) > 0)
    .sort((a, b) => sign * compare(a, b));
  const entries = found.slice(0, limit);
  const last = entries.at(-1);
  return { entries, ...(found.length > limit && last && { nextToken: writeCursor(last) }) };
}

/** The id breaks ties: several sandboxes may start within one millisecond. */
function compare(a: Cursor, b: Cursor): number {
  return a.startedAt - b.startedAt || (a.sandboxId < b.sandboxId ? -1 : Number(a.sandboxId > b.sandboxId));
}

function writeCursor({ startedAt, sandboxId }: Cursor): string {
  return Buffer.from(`${startedAt}:${sandboxId}`).toString('base64url');
}

function readCursor(text: string, context: z.RefinementCtx): Cursor {
  const match = /^(\d{1,15}):([a-z0-9]+)$/.exec(Buffer.from(text, 'base64url').toString());
  if (match === null) context.addIssue({ code: 'custom', message: 'is not the X-Next-Token of a page' });
  return { startedAt: Number(match?.[1]), sandboxId: match?.[2] ?? '' };
}

/** `k=v&l=w`, which is encoded again as the value of the parameter. */
function readMetadata(text: string): Record<string, string> {
  return Object.fromEntries(new URLSearchParams(text));
}
