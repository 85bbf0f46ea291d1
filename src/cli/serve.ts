import { formatAddress } from '../address.ts';
import { startGate } from '../app.ts';
import { type Flags, readSettings } from '../config.ts';
import { startFleet } from '../fleet/fleet.ts';
import { keepHeapSmall } from '../heap.ts';
import { createLogger, type Logger } from '../observe/logger.ts';
import type { Settings } from '../settings.ts';
import { listenForStop, type StopSignal } from '../stop-signal.ts';
import { type Io, print, SHADOW_WARNING, warn } from './io.ts';
import { surroundings } from './surroundings.ts';

/** `serve`: the gate alone, or several under one supervisor, until SIGTERM or SIGINT. Logs go to stderr. */
export async function serve(io: Io, flags: Flags): Promise<void> {
  const settings = readSettings('serve', flags, surroundings());
  const { log, flush } = createLogger(settings.logLevel, 2);
  try {
    if (settings.processes === 1) await serveOne(io, settings, log);
    else await serveSeveral(io, settings, flags, log);
  } finally {
    flush();
  }
}

async function serveOne(io: Io, settings: Settings, log: Logger): Promise<void> {
  keepHeapSmall();
  const signals = listenForStop(process, () => performance.now());
  const gate = await startGate(settings, log);
  await untilStopped(io, settings, gate, signals);
  await gate.close(signals.force);
}

async function serveSeveral(io: Io, settings: Settings, flags: Flags, log: Logger): Promise<void> {
  let restart = () => {};
  // On a terminal SIGHUP says that the terminal is gone.
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
  { check, ops }: Pick<Awaited<ReturnType<typeof startGate>>, 'check' | 'ops'>,
  { stopped }: StopSignal,
): Promise<void> {
  if (allowShadow) warn(io, SHADOW_WARNING);
  print(io, `sandgate ready: Check on ${check}, ops on http://${formatAddress(ops)}`);
  await stopped;
}
