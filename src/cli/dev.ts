import type { Command } from 'commander';
import { findSettings, readSettings } from '../config.ts';
import { stackGateFlags } from '../fleet/process-flags.ts';
import { listenForStop } from '../stop-signal.ts';
import type { CommandContext } from './context.ts';
import { hostEnvironment } from './host-environment.ts';
import { print, SHADOW_WARNING, warn } from './io.ts';
import { withSettings } from './setting-options.ts';

/** `dev`: the local stack in the foreground until SIGTERM or SIGINT. */
export function register(parent: Command, context: CommandContext): void {
  withSettings(parent.command('dev'), 'dev')
    .description('run the local stack: Envoy, gates and the embedded store (what `npm start` does)')
    .action(() => dev(context));
}

async function dev({ io, flags }: CommandContext): Promise<void> {
  const host = hostEnvironment();
  const settings = readSettings('dev', flags, host);
  const { found } = findSettings('dev', flags, host);
  const { startStack } = await import('../dev/stack.ts');
  const { bannerText } = await import('../dev/banner.ts');
  const signals = listenForStop(process, () => performance.now());
  const stack = await startStack(
    settings,
    (own) => stackGateFlags(found, own, host),
    signals,
    (line) => warn(io, line),
  );
  if (stack === 'stopped') return;
  if (settings.allowShadow) warn(io, SHADOW_WARNING);
  print(io, bannerText(settings, stack));
  await signals.stopped;
  await stack.stop();
}
