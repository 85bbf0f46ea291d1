import type { Command } from 'commander';
import { formatAddress } from '../address.ts';
import type { Gate } from '../app.ts';
import { readSettings } from '../config.ts';
import { keepHeapSmall } from '../heap.ts';
import type { Logger } from '../observe/logger.ts';
import type { Settings } from '../settings.ts';
import { listenForStop, type StopSignal } from '../stop-signal.ts';
import type { CommandContext } from './context.ts';
import { hostEnvironment } from './host-environment.ts';
import { type Io, print, SHADOW_WARNING, warn } from './io.ts';
import { withSettings } from './setting-options.ts';

/** `serve`: one gate, or several under a supervisor, until SIGTERM or SIGINT. Logs go to stderr. */
export function register(parent: Command, context: CommandContext): void {
  withSettings(parent.command('serve'), 'serve')
    .description('run a gate for your own Envoy (Check over gRPC)')
    .action(() => serve(context));
}

async function serve(context: CommandContext): Promise<void> {
  const settings = readSettings('serve', context.flags, hostEnvironment());
  const { createLogger } = await import('../observe/logger.ts');
  const { log, flush } = createLogger(settings.logLevel, 2);
  try {
    if (settings.processes === 1) await serveOne(context, settings, log);
    else await serveSeveral(context, settings, log);
  } finally {
    flush();
  }
}

async function serveOne({ io }: CommandContext, settings: Settings, log: Logger): Promise<void> {
  keepHeapSmall();
  const { startGate } = await import('../app.ts');
  const signals = listenForStop(process, () => performance.now());
  const gate = await startGate(settings, log);
  await untilStopped(io, settings, gate, signals);
  await gate.close(signals.force);
}

async function serveSeveral({ io, flags }: CommandContext, settings: Settings, log: Logger): Promise<void> {
  const { startFleet } = await import('../fleet/fleet.ts');
  let restart = () => {};
  // On a terminal SIGHUP means that the terminal was closed.
  const onHangup = process.stdin.isTTY ? undefined : () => restart();
  const signals = listenForStop(process, () => performance.now(), onHangup);
  const fleet = await startFleet(settings, flags, log, signals);
  restart = () => fleet.restart();
  await untilStopped(io, settings, fleet, signals);
  await fleet.close();
}

async function untilStopped(
  io: Io,
  { allowShadow }: Settings,
  { check, ops }: Pick<Gate, 'check' | 'ops'>,
  { stopped }: StopSignal,
): Promise<void> {
  if (allowShadow) warn(io, SHADOW_WARNING);
  print(io, `sandgate ready: Check on ${check}, ops on http://${formatAddress(ops)}`);
  await stopped;
}
