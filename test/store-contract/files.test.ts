import { randomBytes } from 'node:crypto';
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { systemClock } from '../../src/policy/clock.ts';
import { openFilesStore } from '../../src/policy/files/files-store.ts';
import { rules } from '../policy/sample.ts';
import { describeReading, type StoreUnderTest } from './policy-store.ts';

async function begin(): Promise<StoreUnderTest> {
  const folder = await mkdtemp(join(tmpdir(), 'sandgate-contract-'));
  const store = await openFilesStore({ folder, rules, clock: systemClock, random: randomBytes, scanMs: 10 });
  return {
    store,
    put: async (given) => {
      await writeFile(join(folder, '.next'), stringify(given));
      await rename(join(folder, '.next'), join(folder, `${given.sandboxId}.yaml`));
    },
    remove: (sandboxId) => rm(join(folder, `${sandboxId}.yaml`)),
    end: async () => {
      await store.close();
      await rm(folder, { recursive: true });
    },
  };
}

describeReading('files', begin);
