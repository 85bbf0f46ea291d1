import { text } from 'node:stream/consumers';
import { startAgent } from './agent.ts';
import { formatListenAddress } from './listen-address.ts';
import { readAgentSettings, USAGE } from './settings.ts';

/** How long the sandbox's processes have between SIGTERM and SIGKILL. */
const GRACE_MS = 2000;

const asked = await readAgentSettings(process.argv.slice(2), process.env, () => text(process.stdin));
switch (asked.kind) {
  case 'help':
    process.stdout.write(USAGE);
    break;
  case 'wrong':
    process.stderr.write(`agent: ${asked.faults.join('\nagent: ')}\nagent: see --help\n`);
    process.exitCode = 2;
    break;
  case 'run':
    await run(asked.settings);
    break;
  default:
    asked satisfies never;
}

async function run(settings: Parameters<typeof startAgent>[0]): Promise<void> {
  // Files are 0644 and folders 0755, as in E2B, whatever started us.
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
  // One request's fault must not end the processes of the sandbox.
  process.on('uncaughtException', report).on('unhandledRejection', report);
  process.stdout.on('error', () => {});
  process.stdout.write(`${JSON.stringify({ ready: true, listen: formatListenAddress(agent.address) })}\n`);
}

/** Or a process that becomes another user would keep the groups of root. Where that is not allowed there are none to keep. */
function dropGroups(): void {
  try {
    if (process.getuid?.() === 0) process.setgroups?.([]);
  } catch {
    // A user namespace that denies setgroups.
  }
}

function report(thrown: unknown): void {
  process.stderr.write(`agent: unforeseen: ${thrown instanceof Error ? thrown.message : 'not an error'}\n`);
}
