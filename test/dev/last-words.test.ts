import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { lastWords } from '../../src/dev/logged-gate.ts';

it('separates the cause from the remedy, and uses the last line if there is no error', () => {
  const folder = mkdtempSync(join(tmpdir(), 'sandgate-words-'));
  const log = join(folder, 'gate.log');
  writeFileSync(log, '{"a":1}\nsandgate: it is taken [ADDRESS_IN_USE]\nfix: choose another\n{"b":1}\n');
  expect(lastWords(log)).toEqual({ cause: 'it is taken [ADDRESS_IN_USE]', remedy: 'choose another' });
  writeFileSync(log, 'sandgate: one\ntwo [SETTINGS_INVALID]\nfix: see it\n');
  expect(lastWords(log)).toEqual({ cause: 'one\ntwo [SETTINGS_INVALID]', remedy: 'see it' });
  writeFileSync(log, 'sandgate: it is so [INTERNAL]\n{"a":1}\n');
  expect(lastWords(log)).toEqual({ cause: 'it is so [INTERNAL]', remedy: undefined });
  writeFileSync(log, 'one\ntwo\n');
  expect(lastWords(log)).toEqual({ cause: 'two', remedy: undefined });
  rmSync(folder, { recursive: true, force: true });
});
