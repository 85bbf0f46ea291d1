import { closeSync, openSync, readFileSync } from 'node:fs';
import { SandgateError } from '../errors.ts';
import { type GateProcess, type GateProcessOptions, startGateProcess } from '../fleet/gate-process.ts';

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
    throw new SandgateError('GATE_FAILED', `${(error as Error).message}: ${lastLine(logFile)}`, {
      remedy: `see ${logFile}`,
    });
  } finally {
    closeSync(log);
  }
}

function lastLine(file: string): string {
  const lines = readFileSync(file, 'utf8').trim().split('\n');
  return lines.findLast((line) => line.startsWith('sandgate: ')) ?? lines.at(-1) ?? '';
}
