import { join } from 'node:path';
import Database from 'libsql';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hasHidden } from '../../src/printable.ts';
import { SEVERAL_PROCESSES_MS } from '../stack/patience.ts';
import { makeStateFolder, type StateFolder } from './state-folder.ts';

// What came from outside must not steer the terminal of the person who reads it.

/** The end of a colour, a C1 control, a right-to-left override, a zero width space, a line separator, a tag. */
const HOSTILE = 'x\x9b2J\u202e\u200b\u2028\u{e0061}y';
const SHOWN = 'x\\u{9b}2J\\u{202e}\\u{200b}\\u{2028}\\u{e0061}y';

let state: StateFolder;
beforeAll(async () => {
  state = makeStateFolder();
  const record = { sandboxId: 'sbx1', runtime: { route: { address: '127.0.0.1' } } };
  await state.ask(['policy', 'put', '-'], JSON.stringify(record));
  await state.ask(['token', 'mint', 'sbx1', '--id', 'a', '--label', 'PLACE']);
  // As an earlier version stored it, or another program.
  const db = new Database(join(state.path, 'policies.db'));
  const { record: text } = db.prepare("SELECT record FROM policies WHERE id = 'sbx1'").get() as {
    record: string;
  };
  const stored = text.replace('"running"', '"run\\nsbx2\\trunning"');
  const insert = db.prepare('INSERT OR REPLACE INTO policies VALUES (?, ?)');
  insert.run('sbx1', text.replace('PLACE', HOSTILE.replace('\x9b2J', '')));
  insert.run('sbx3', stored.replaceAll('sbx1', 'sbx3'));
  db.close();
});
afterAll(() => state?.remove());

const visible = (text: string) => !hasHidden(text.replace(/[\n\t]/g, ''));

describe('what a command prints', { timeout: SEVERAL_PROCESSES_MS }, () => {
  it('shows hidden characters of a stored label, in text and in JSON, and the token can be revoked', async () => {
    const listed = await state.ask(['token', 'list', 'sbx1']);
    expect(listed.stdout).toContain('x\\u{202e}\\u{200b}\\u{2028}\\u{e0061}y');
    for (const args of [
      ['token', 'list', 'sbx1', '--json'],
      ['policy', 'get', 'sbx1'],
      ['policy', 'export'],
    ]) {
      const { code, stdout, stderr } = await state.ask(args);
      expect([code, visible(stdout), visible(stderr)]).toEqual([0, true, true]);
      expect(stdout).toContain('\\u202e\\u200b\\u2028\\udb40\\udc61');
    }
    expect((await state.ask(['token', 'revoke', 'sbx1', 'a'])).code).toBe(0);
  });

  it('keeps one line for one record, whatever the record contains', async () => {
    const { stdout } = await state.ask(['policy', 'list']);
    expect(stdout.trimEnd().split('\n')).toHaveLength(2);
    expect(stdout).toContain('sbx3\trun\\u{a}sbx2\\u{9}running\t');
  });

  it('shows hidden characters of arguments in errors, and refuses them in a label', async () => {
    for (const args of [
      ['policy', 'put', `${HOSTILE}.json`],
      ['policy', 'put', `${HOSTILE}.json`, '--json'],
      [HOSTILE],
      ['policy', 'list', `--${HOSTILE}`],
    ]) {
      const { code, stderr } = await state.ask(args);
      expect([code === 0, visible(stderr)]).toEqual([false, true]);
    }
    expect((await state.ask(['policy', 'put', `${HOSTILE}.json`])).stderr).toContain(SHOWN);
    const minted = await state.ask(['token', 'mint', 'sbx1', '--label', 'a\u202eb']);
    expect(minted).toMatchObject({ code: 1, stdout: '' });
    expect(minted.stderr).toContain('label must not hold control, format or separator characters');
  });
});
