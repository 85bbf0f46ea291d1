import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { type Gate, startGate } from '../../src/app.ts';
import { readSettings } from '../../src/config.ts';
import type { PolicyStore } from '../../src/policy/store.ts';
import { openStore } from '../../src/policy-access.ts';
import { type Answered, type ApiRequest, askAdmin } from './client.ts';

export const KEY = 'k'.repeat(32);
export const OTHER_KEY = 'o'.repeat(40);

/** A gate in this process with its policy API over a real store. Its Check is not used. */
export interface RunningApi {
  stateDir: string;
  gate: Gate;
  /** Another connection to the same file. */
  store: PolicyStore;
  ask(given: ApiRequest): Promise<Answered>;
  logs(): string;
  stop(): Promise<void>;
}

/** `flags` are those of `sandgate serve`; the first of `keys`, if any, is sent with each request. */
export async function startApi(flags: Record<string, string> = {}, keys: string[] = []): Promise<RunningApi> {
  const stateDir = mkdtempSync(join(tmpdir(), 'sandgate-test-'));
  const settings = readSettings(
    'serve',
    { stateDir, ops: '127.0.0.1:0', sandboxCidrs: '10.0.0.0/8', drain: '0', ...flags },
    { baseDir: stateDir, ipv6Loopback: false },
    { SANDGATE_POLICY_API_KEYS: keys.join(',') },
  );
  const lines: string[] = [];
  const log = pino({ level: 'debug' }, { write: (line: string) => void lines.push(line) });
  const gate = await startGate(settings, log);
  const store = await openStore(settings);
  const authorization: Record<string, string> = keys[0] ? { authorization: `Bearer ${keys[0]}` } : {};
  return {
    stateDir,
    gate,
    store,
    ask: (given) => askAdmin(gate.policyApi!, { ...given, headers: { ...authorization, ...given.headers } }),
    logs: () => lines.join(''),
    async stop() {
      await store.close();
      await gate.close(AbortSignal.abort());
      rmSync(stateDir, { recursive: true, force: true });
    },
  };
}

/** The shortest policy in input form. */
export const policy = (sandboxId: string, more: { runtime?: object; access?: object } = {}) => ({
  sandboxId,
  runtime: { route: { address: '10.0.3.7' }, ...more.runtime },
  ...(more.access && { access: more.access }),
});
