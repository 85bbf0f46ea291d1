import { type Flags, readSettings } from '../config.ts';
import { bannerText } from '../dev/banner.ts';
import { startStack } from '../dev/stack.ts';
import { listenForStop } from '../stop-signal.ts';
import { type Io, print, SHADOW_WARNING, warn } from './io.ts';
import { surroundings } from './surroundings.ts';

/** `dev`: the local stack in the foreground until SIGTERM or SIGINT. */
export async function dev(io: Io, flags: Flags): Promise<void> {
  const settings = readSettings('dev', flags, surroundings());
  const signals = listenForStop(process, () => performance.now());
  const stack = await startStack(settings, signals, (line) => warn(io, line));
  if (stack === 'stopped') return;
  if (settings.allowShadow) warn(io, SHADOW_WARNING);
  print(io, bannerText(settings, stack));
  await signals.stopped;
  await stack.stop();
}
