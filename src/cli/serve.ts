import { formatAddress } from '../address.ts';
import { startGate } from '../app.ts';
import { type Flags, readSettings } from '../config.ts';
import { createLogger } from '../observe/logger.ts';
import { listenForStop } from '../stop-signal.ts';
import { type Io, print, warn } from './io.ts';
import { SHADOW_WARNING } from './shadow-warning.ts';
import { surroundings } from './surroundings.ts';

/** `serve`: the gate alone, until SIGTERM or SIGINT. Logs go to stderr. */
export async function serve(io: Io, flags: Flags): Promise<void> {
  const settings = readSettings('serve', flags, surroundings());
  const signals = listenForStop(process, () => performance.now());
  const { log, flush } = createLogger(settings.logLevel, 2);
  try {
    const gate = await startGate(settings, log);
    if (settings.allowShadow) warn(io, SHADOW_WARNING);
    print(io, `sandgate ready: Check on ${gate.check}, ops on http://${formatAddress(gate.ops)}`);
    await signals.stopped;
    await gate.close(signals.force);
  } finally {
    flush();
  }
}
