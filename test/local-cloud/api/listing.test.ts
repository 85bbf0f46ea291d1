import { describe, expect, it } from 'vitest';
import { listQuery, pageOf } from '../../../local-cloud/api/listing.ts';
import type { SandboxEntry } from '../../../local-cloud/lifecycle/sandbox-entry.ts';

const entry = (sandboxId: string, startedAt: number, more: Partial<SandboxEntry> = {}): SandboxEntry => ({
  ...{
    sandboxId,
    state: 'running',
    startedAt,
    endsAt: startedAt + 1,
    secure: true,
    allowPublicTraffic: true,
  },
  ...{ maskRequestHost: undefined, autoPause: false, metadata: {}, network: undefined },
  ...more,
});
const all = [
  entry('ia', 1000, { metadata: { k: 'v', l: 'w x' } }),
  entry('ib', 2000, { state: 'paused', metadata: { k: 'v' } }),
  entry('ic', 2000),
  entry('id', 3000),
];
const ids = (query: Record<string, unknown>) =>
  pageOf(all, listQuery.parse(query)).entries.map(({ sandboxId }) => sandboxId);

describe('a list of sandboxes', () => {
  it('is newest first, or oldest first on request', () => {
    expect(ids({})).toEqual(['id', 'ic', 'ib', 'ia']);
    expect(ids({ order: 'asc' })).toEqual(['ia', 'ib', 'ic', 'id']);
  });

  it('is filtered by state, metadata, start and template', () => {
    expect(ids({ state: 'paused' })).toEqual(['ib']);
    expect(ids({ state: 'running,paused' })).toHaveLength(4);
    expect(ids({ state: ['running', 'paused'] })).toHaveLength(4);
    expect(ids({ metadata: 'k=v' })).toEqual(['ib', 'ia']);
    expect(ids({ metadata: 'k=v&l=w%20x' })).toEqual(['ia']);
    expect(ids({ startedAfter: new Date(2000).toISOString() })).toEqual(['id', 'ic', 'ib']);
    expect([ids({ template: 'other' }), ids({ template: 'base' })]).toEqual([[], ['id', 'ic', 'ib', 'ia']]);
  });

  it.each(['asc', 'desc'])('has pages that neither skip nor repeat a sandbox, %s', (order) => {
    const seen: string[] = [];
    for (let nextToken: string | undefined, first = true; first || nextToken !== undefined; first = false) {
      const page = pageOf(all, listQuery.parse({ limit: '1', order, ...(nextToken && { nextToken }) }));
      seen.push(...page.entries.map(({ sandboxId }) => sandboxId));
      nextToken = page.nextToken;
    }
    expect(seen).toEqual(ids({ order }));
  });

  it.each([{ limit: '0' }, { limit: '101' }, { state: 'killed' }, { nextToken: 'rubbish' }, { order: 'up' }])(
    'is refused for %j',
    (query) => {
      expect(listQuery.safeParse(query).success).toBe(false);
    },
  );
});
