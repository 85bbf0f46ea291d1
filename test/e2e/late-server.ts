import { setTimeout as pause } from 'node:timers/promises';
import type { Address } from '../../src/address.ts';
import { type Answered, ask, type ClientRequest } from '../stack/client.ts';
import { type Arrival, type ServerTls, startRecorder } from '../stack/recorder.ts';

/** A server may start this late at least, by the contract. */
const GIVEN_MS = 1000;

/**
 * Requests a port on which a server starts `lateMs` after the request. The pause is the scenario, not a wait for an
 * event. If a slow machine exceeds what the contract allows, it tries again.
 */
export async function askLateServer(
  ingress: Address,
  requestFor: (port: number) => ClientRequest | Promise<ClientRequest>,
  lateMs: number,
  tls?: ServerTls,
): Promise<{ answered: Answered; arrivals: Arrival[] }> {
  for (;;) {
    const place = await startRecorder();
    await place.close();
    const request = await requestFor(place.port);
    const sentAt = performance.now();
    const pending = ask(ingress, request);
    await pause(lateMs);
    const recorder = await startRecorder(place.port, '127.0.0.1', tls);
    const tookMs = performance.now() - sentAt;
    const answered = await pending;
    await recorder.close();
    if (tookMs < GIVEN_MS) return { answered, arrivals: recorder.arrivals };
  }
}
