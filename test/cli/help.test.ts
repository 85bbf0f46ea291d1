import { PassThrough, Readable } from 'node:stream';
import { expect, it } from 'vitest';
import { run } from '../../src/cli/program.ts';

it.each([
  [['explain']],
  [['check-config']],
  [['check-config', 'serve']],
  [['check-config', 'dev']],
  [['doctor']],
])('sandgate %s --help shows its usage and exits 0', async (command) => {
  const stdout = new PassThrough();
  const io = { stdin: Readable.from([]), stdout, stderr: new PassThrough() };
  expect(await run([...command, '--help'], io)).toBe(0);
  expect(String(stdout.read())).toMatch(new RegExp(`^Usage: sandgate ${command.join(' ')} `));
});

it.each([
  ['--admin', '--policy-api'],
  ['--admin-keys-file=x', '--policy-api-keys-file'],
  ['--api=unix:x', '--policy-api-url'],
])('the old flag %s is an error that names %s', async (old, now) => {
  const stderr = new PassThrough();
  const io = { stdin: Readable.from([]), stdout: new PassThrough(), stderr };
  expect(await run(['serve', old], io)).toBe(2);
  expect(String(stderr.read())).toContain(`${old.split('=')[0]} is now ${now}`);
});
