import { text } from 'node:stream/consumers';
import { startAgent } from './agent.ts';
import { formatListenAddress } from './listening.ts';
import { readAgentSettings, USAGE } from './settings.ts';

/** Time between SIGTERM and SIGKILL for the sandbox's processes. */
const GRACE_MS = 2000;

const invocation = await readAgentSettings(process.argv.slice(2), process.env, () => text(process.stdin));
switch (invocation.kind) {
  case 'help':
    process.stdout.write(USAGE);
    break;
  case 'invalid':
    process.stderr.write(`agent: ${invocation.faults.join('\nagent: ')}\nagent: see --help\n`);
    process.exitCode = 2;
    break;
  case 'run':
    await run(invocation.settings);
    break;
  default:
    invocation satisfies never;
}

async function run(settings: Parameters<typeof startAgent>[0]): Promise<void> {
  // Files are 0644 and folders 0755, as in E2B, whatever umask this process inherited.
  process.umask(0o022);
  dropGroups();
  const agent = await startAgent(settings).catch((error: Error) => {
    process.stderr.write(`agent: cannot start: ${error.message}\n`);
    process.exit(1);
  });
  let stopping = false;
  const stop = () => {
    if (stopping) return;
    stopping = true;
    agent.stop(GRACE_MS).then(
      () => process.exit(0),
      () => process.exit(1),
    );
  };
  process.on('SIGTERM', stop).on('SIGINT', stop);
  // A fault in one request must not end the processes of the sandbox.
  process.on('uncaughtException', report).on('unhandledRejection', report);
  process.stdout.on('error', () => {});
  process.stdout.write(`${JSON.stringify({ ready: true, listen: formatListenAddress(agent.address) })}\n`);
}

/** Without this, a process that becomes another user would keep root's groups. */
function dropGroups(): void {
  try {
    if (process.getuid?.() === 0) process.setgroups?.([]);
  } catch {
    // A user namespace that denies setgroups, and so has no groups to drop.
  }
}

function report(thrown: unknown): void {
  process.stderr.write(
    `agent: unexpected error: ${thrown instanceof Error ? thrown.message : 'not an error'}\n`,
  );
}
