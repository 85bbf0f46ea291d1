import { Readable, Writable } from 'node:stream';
import { run } from '../../src/cli/program.ts';
import { cleanEnv, type Ran, type RunOptions } from './command.ts';

/**
 * Runs `sandgate <args>` inside this process. It starts in a tenth of the time of a separate process, and covers everything
 * except signals, descriptors and `main.ts`. Run one at a time, because it replaces the environment.
 */
export async function sandgateInside(
  args: readonly string[],
  { input = '', env }: Pick<RunOptions, 'input' | 'env'> = {},
): Promise<Omit<Ran, 'signal'>> {
  const [stdout, stderr] = [collector(), collector()];
  const io = { stdin: Readable.from([Buffer.from(input)]), stdout, stderr };
  const before = process.env;
  process.env = cleanEnv(env);
  try {
    const code = await run(args, io);
    return { code, stdout: stdout.text(), stderr: stderr.text() };
  } finally {
    process.env = before;
  }
}

function collector(): Writable & { text(): string } {
  const parts: Buffer[] = [];
  const stream = new Writable({
    write(part: Buffer, _encoding, done) {
      parts.push(part);
      done();
    },
  });
  return Object.assign(stream, { text: () => Buffer.concat(parts).toString() });
}
