import { once } from 'node:events';
import { type FSWatcher, mkdirSync, mkdtempSync, rmSync, watch } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { FolderWatch } from '../../../src/policy/files/folder-watch.ts';

const SCAN_MS = 2000;
const HINT_MS = 50;

let folder: string;
let watched: FolderWatch;
/** Hears of a change at the same moment as the watch under test. */
let events: FSWatcher;
let now = 0;
/** Ends each scan so far. */
let ends: (() => void)[];

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  folder = mkdtempSync(join(tmpdir(), 'sandgate-watch-'));
  ends = [];
  const clock = { now: () => now, monotonic: () => now };
  const scan = () => new Promise<void>((resolve) => ends.push(resolve));
  watched = new FolderWatch({ folder, scanMs: SCAN_MS, clock, scan });
  events = watch(folder);
});
afterEach(() => {
  events.close();
  vi.useRealTimers();
  rmSync(folder, { recursive: true });
});

async function pass(ms: number): Promise<void> {
  now += ms;
  await vi.advanceTimersByTimeAsync(ms);
}

async function change(name: string): Promise<void> {
  const heard = once(events, 'change');
  mkdirSync(join(folder, name));
  await heard;
  await pass(HINT_MS);
}

it('scans once more after a scan during which the folder changed often', async () => {
  await pass(SCAN_MS);
  for (const name of ['a', 'b', 'c', 'd']) await change(name);
  expect(ends).toHaveLength(1);
  ends[0]!();
  await pass(HINT_MS);
  expect(ends).toHaveLength(2);
  ends[1]!();
  await pass(HINT_MS);
  expect(ends).toHaveLength(2);
  await pass(SCAN_MS);
  expect(ends).toHaveLength(3);
  const closed = watched.close();
  ends[2]!();
  await closed;
});

it('waits on close for the running scan only, and starts none after it', async () => {
  await pass(SCAN_MS);
  for (const name of ['a', 'b']) await change(name);
  const closed = watched.close();
  ends[0]!();
  await closed;
  await pass(SCAN_MS);
  expect(ends).toHaveLength(1);
});
