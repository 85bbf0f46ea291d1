import { errorText, toSandgateError } from '#src/errors.js';
import { createLogger } from '#src/observe/logger.js';
import { NO_ISOLATION_NOTICE } from '#src/settings.js';
import { listenForStop } from '#src/stop-signal.js';
import { startCloud } from './cloud.ts';
import { readCloudSettings, USAGE } from './settings.ts';

process.stdout.on('error', () => {});
process.stderr.on('error', () => {});
process.on('uncaughtException', end).on('unhandledRejection', end);

const signals = listenForStop(process, () => performance.now());
try {
  const invocation = readCloudSettings(process.argv.slice(2), process.env);
  if (invocation.kind === 'help') process.stdout.write(USAGE);
  else await run(invocation.settings);
} catch (error) {
  end(error);
}

async function run(settings: Parameters<typeof startCloud>[0]): Promise<void> {
  const { log, flush } = createLogger(settings.logLevel, 2);
  signals.force.addEventListener('abort', () => process.exit(1));
  if (!settings.isolation) process.stderr.write(`sandgate: ${NO_ISOLATION_NOTICE}\n`);
  const cloud = await startCloud(settings, log);
  process.stdout.write(`local cloud ready: isolation ${cloud.isolation}\n`);
  await signals.stopped;
  await cloud.close();
  flush();
  process.exit(0);
}

/** A process in an unknown state must not run sandboxes. The supervisor restarts it, and the next start ends them. */
function end(thrown: unknown): never {
  const error = toSandgateError(thrown);
  process.stderr.write(errorText(error));
  process.exit(error.code === 'SETTINGS_INVALID' ? 2 : 1);
}
