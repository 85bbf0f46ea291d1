import { setTimeout as pause } from 'node:timers/promises';
import type { Address } from '../../src/address.ts';
import { type Answered, type Asked, ask } from '../stack/client.ts';
import { type Arrival, startRecorder } from '../stack/recorder.ts';

/** The contract gives a server that starts late this long at least. */
const GIVEN_MS = 1000;

/**
 * Asks for a port on which a server starts `lateMs` after the request: a scenario, not a wait for something. A machine
 * that comes back from the pause too late has asked for more than the contract gives, and asks again.
 */
export async function askLateServer(
  ingress: Address,
  askedAt: (port: number) => Asked,
  lateMs: number,
): Promise<{ answered: Answered; arrivals: Arrival[] }> {
  for (;;) {
    const place = await startRecorder();
    await place.close();
    const sentAt = performance.now();
    const pending = ask(ingress, askedAt(place.port));
    await pause(lateMs);
    const recorder = await startRecorder(place.port);
    const tookMs = performance.now() - sentAt;
    const answered = await pending;
    await recorder.close();
    if (tookMs < GIVEN_MS) return { answered, arrivals: recorder.arrivals };
  }
}
