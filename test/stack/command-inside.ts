import { Readable, Writable } from 'node:stream';
import { vi } from 'vitest';
import { run } from '../../src/cli/program.ts';
import type { Ran } from './command.ts';

/** `sandgate <args>` inside this process, a tenth of what a process of its own costs: for what is refused before it starts. */
export async function sandgateInside(
  args: readonly string[],
  env: Record<string, string> = {},
): Promise<Omit<Ran, 'signal'>> {
  const written = { stdout: '', stderr: '' };
  const sink = (name: keyof typeof written) =>
    new Writable({
      write(part, _encoding, done) {
        written[name] += String(part);
        done();
      },
    });
  for (const [name, value] of Object.entries(env)) vi.stubEnv(name, value);
  try {
    const io = { stdin: Readable.from([]), stdout: sink('stdout'), stderr: sink('stderr') };
    return { code: await run(args, io), ...written };
  } finally {
    vi.unstubAllEnvs();
  }
}
