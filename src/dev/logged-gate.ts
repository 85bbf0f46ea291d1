import { closeSync, openSync } from 'node:fs';
import { SandgateError } from '../errors.ts';
import { type GateProcess, type GateProcessOptions, startGateProcess } from '../fleet/gate-process.ts';
import { lastWords, orSeeLog } from './last-words.ts';

/** A gate of the local stack, its log in a file. Throws GATE_FAILED with the gate's own last words. */
export async function startLoggedGate(
  logFile: string,
  options: Pick<GateProcessOptions, 'stateDir' | 'flags' | 'onStart'>,
): Promise<GateProcess> {
  const log = openSync(logFile, 'a', 0o600);
  try {
    // Envoy is gone when a gate is stopped, so there is nothing to drain for.
    return await startGateProcess({ ...options, stderr: log, graceMs: undefined });
  } catch (error) {
    const { cause, remedy } = lastWords(logFile);
    throw new SandgateError('GATE_FAILED', `${(error as Error).message}: ${cause}`, {
      remedy: orSeeLog(remedy, logFile),
    });
  } finally {
    closeSync(log);
  }
}
