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
