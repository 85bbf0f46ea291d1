import { waitInForce } from '../../src/state/in-force.ts';
import { PATIENCE_MS } from './patience.ts';

/** Waits until every gate of this state folder applies the write, for longer than a command would. */
export async function expectInForce(stateDir: string, sequence: number): Promise<void> {
  const until = performance.now() + PATIENCE_MS;
  for (;;) {
    const { behind } = await waitInForce(stateDir, sequence, () => performance.now());
    if (behind.length === 0) return;
    if (performance.now() > until) throw new Error(`a gate did not take up the write: ${behind[0]!.pid}`);
  }
}
