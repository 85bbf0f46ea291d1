import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

export type Child = Awaited<ReturnType<typeof startChild>>;

/**
 * A real process on that file. `wrap` is a command to run it with, such as `unshare`. It has ended when `end` resolves.
 * Needs the build, which `npm test` makes.
 */
export async function startChild(path: string, wrap: readonly string[] = []) {
  const script = fileURLToPath(new URL('./sqlite-child.mjs', import.meta.url));
  const [command = '', ...args] = [...wrap, process.execPath, script, path];
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  const exited = once(child, 'exit');
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const hear = async (): Promise<unknown> => {
    const { value, done } = await lines.next();
    return done ? undefined : JSON.parse(value);
  };
  return {
    /** Its first line: `ready`, or why it could not start. */
    greeting: await hear(),
    /** Its next line; undefined once it has ended. */
    hear,
    send: (line: string) => child.stdin.write(`${line}\n`),
    ask(line: string): Promise<unknown> {
      child.stdin.write(`${line}\n`);
      return hear();
    },
    signal: (name: NodeJS.Signals) => child.kill(name),
    async end(name: NodeJS.Signals = 'SIGKILL'): Promise<void> {
      child.kill(name);
      await exited;
    },
  };
}
