import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../../src/policy/clock.ts';
import { parsePut } from '../../src/policy/put.ts';
import { openSqliteStore } from '../../src/policy/sqlite/sqlite-store.ts';
import { rules } from '../policy/sample.ts';
import { describeReading, describeWriting, type StoreUnderTest } from './policy-store.ts';

/** To SQLite, two connections to a file are like two processes; `test/policy` tests real processes. */
async function begin(): Promise<StoreUnderTest> {
  const folder = await mkdtemp(join(tmpdir(), 'sandgate-contract-'));
  const options = {
    path: join(folder, 'policies.db'),
    routing: 'gate' as const,
    clock: systemClock,
    random: randomBytes,
  };
  const store = await openSqliteStore({ ...options, pollMs: 5 });
  const other = await openSqliteStore(options);
  return {
    store,
    put: async (given) => void (await other.write([parsePut(given, rules)])),
    remove: async (sandboxId) => void (await other.delete(sandboxId)),
    end: async () => {
      await Promise.all([store.close(), other.close()]);
      await rm(folder, { recursive: true });
    },
  };
}

describeReading('embedded', begin);
describeWriting('embedded', begin);
