import { afterAll, beforeAll, expect, it } from 'vitest';
import { describeWith, PLAIN_USER } from '../../machine.ts';
import { type Cloud, type FarSandbox, makeState, removeState, startCloud } from '../stand-in/cloud.ts';
import { cgroupsOf } from '../stand-in/remains.ts';

// Node 24 and later map 560 MiB of data that they do not use, which an rlimit counts.
const MEMORY_MIB = 768;
const PROCESSES = 80;
const CLOUDS = [
  { need: 'isolation', how: '', uid: undefined },
  { need: 'isolation', how: 'rlimits', uid: undefined },
  { need: 'isolationWithoutRoot', how: '', uid: PLAIN_USER },
] as const;

for (const { need, how, uid } of CLOUDS)
  describeWith(need, `the limits of sandboxes (${how} of ${uid ?? 'this user'})`, () => {
    let stateDir: string;
    let cloud: Cloud;
    let greedy: FarSandbox;
    let quiet: FarSandbox;

    beforeAll(async () => {
      stateDir = makeState(uid);
      cloud = await startCloud(stateDir, { uid, how });
      greedy = await cloud.create('greedy', { limits: { memoryMiB: MEMORY_MIB, processes: PROCESSES } });
      quiet = await cloud.create('quiet');
    });
    afterAll(async () => {
      await cloud?.stop();
      await removeState(stateDir);
    });

    it('are enforced by cgroups if they can be made, else by rlimits', () => {
      if (how === 'rlimits' || uid !== undefined) {
        expect(greedy.limitedBy).toEqual({ memory: 'rlimit', processes: 'rlimit' });
      } else {
        const made = cgroupsOf(stateDir, 'greedy').length > 0;
        expect(Object.values(greedy.limitedBy).includes('cgroup')).toBe(made);
      }
    });

    it('end a process that uses too much memory, and no other', async () => {
      const eaten = await greedy.run(
        `python -c 'x = bytearray(${4 * MEMORY_MIB} << 20); print("had", "it all")'`,
        'user',
      );
      expect(eaten.out).not.toContain('had it all');
      expect(eaten.code).not.toBe(0);
      expect((await greedy.run('echo alive')).out).toBe('alive\n');
      expect((await quiet.run(`python -c 'x = bytearray(512 << 20); print("fine")'`)).out).toBe('fine\n');
    });

    it('stop a process that forks endlessly, and no other', async () => {
      const bounded = await greedy.run(
        `python - <<'END'
import os, time
children = 0
try:
    while children < 400:
        if os.fork() == 0:
            time.sleep(60)
            os._exit(0)
        children += 1
except OSError as error:
    print('stopped', error.strerror)
print('children' if children < ${PROCESSES} else 'too many', children)
END`,
        'user',
      );
      expect(bounded.out).toContain('stopped Resource temporarily unavailable');
      expect(bounded.out).toContain('children');
      const bomb = cloud.create('bomb', { limits: { processes: PROCESSES } });
      await (await bomb).run('(bomb() { bomb | bomb & }; bomb) >/dev/null 2>&1 </dev/null &', 'user');
      expect((await quiet.run('echo alive')).out).toBe('alive\n');
      await cloud.end('bomb');
      await cloud.end('greedy');
      expect((await quiet.run('echo alive')).out).toBe('alive\n');
    });
  });
