import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { identify } from '../../../src/state/process-identity.ts';
import { describeWith, PLAIN_USER } from '../../machine.ts';
import { eventually } from '../../stack/eventually.ts';
import { type Cloud, makeState, removeState, startCloud } from '../stand-in/cloud.ts';
import { namespacesOf, remains } from '../stand-in/remains.ts';

const USERS = [
  ['isolation', undefined],
  ['isolationWithoutRoot', PLAIN_USER],
] as const;

for (const [need, uid] of USERS)
  describeWith(need, `the life of sandboxes of a cloud that runs as ${uid ?? 'this user'}`, () => {
    let stateDir: string;
    let cloud: Cloud;

    beforeAll(async () => {
      stateDir = makeState(uid);
      cloud = await startCloud(stateDir, { uid });
    });
    afterAll(async () => {
      await cloud?.stop();
      await removeState(stateDir);
    });

    const littered =
      'mkdir -p ~/a/b && chmod 000 ~/a; (setsid sleep 600 &) ; (trap "" TERM; sleep 600 &) >/dev/null 2>&1; echo ok';

    it('leaves no process, namespace, mount, folder or cgroup of 20 of them', async () => {
      const ids = Array.from({ length: 20 }, (_, n) => `many${n}`);
      const namespaces: string[] = [];
      for (let n = 0; n < ids.length; n += 5) {
        const made = await Promise.all(ids.slice(n, n + 5).map((id) => cloud.create(id)));
        for (const sandbox of made) {
          namespaces.push(...namespacesOf(sandbox.pid));
          expect((await sandbox.run(littered)).out).toBe('ok\n');
        }
        expect(remains(stateDir, ids, namespaces)).not.toEqual([]);
        await Promise.all(made.map(({ sandboxId }) => cloud.end(sandboxId)));
      }
      expect(namespaces.length).toBeGreaterThanOrEqual(100);
      expect(remains(stateDir, ids, namespaces)).toEqual([]);
    }, 120_000);

    it('stops every process of a paused sandbox, and resumes them', async () => {
      const sandbox = await cloud.create('paused');
      await sandbox.run('(while :; do echo x >> /tmp/ticks; sleep 0.01; done) >/dev/null 2>&1 &');
      const ticks = () => readFileSync(join(stateDir, 'sandboxes', 'paused', 'tmp', 'ticks'), 'utf8').length;
      await eventually(() => expect(ticks()).toBeGreaterThan(4));
      await cloud.pause('paused');
      // PID 1 and its reader belong to the host and are not stopped. A process on another processor takes a moment to stop.
      await eventually(() => {
        const states = statesIn(namespacesOf(sandbox.pid)[0]);
        expect(states.length).toBeGreaterThan(4);
        expect(states.filter((state) => state !== 'T').length).toBe(2);
      });
      const before = ticks();
      await cloud.resume('paused');
      await eventually(() => expect(ticks()).toBeGreaterThan(before));
      expect((await sandbox.run('echo back')).out).toBe('back\n');
      await cloud.pause('paused');
      await cloud.end('paused');
      expect(identify(sandbox.pid)).toBeUndefined();
    });

    it('ends with its agent, and `end` then still cleans up', async () => {
      const sandbox = await cloud.create('crashed');
      const exited = cloud.exited('crashed');
      await sandbox.run('kill -9 $PPID').catch(() => {});
      expect(await exited).toBe(137);
      expect(identify(sandbox.pid)).toBeUndefined();
      await Promise.all([cloud.end('crashed'), cloud.end('crashed').catch(() => {})]);
      expect(remains(stateDir, ['crashed'], [])).toEqual([]);
    });

    it('refuses an id that is a path, or is taken, and says why', async () => {
      await expect(cloud.create('../x')).rejects.toThrow('INPUT_INVALID');
      const sandbox = await cloud.create('taken');
      await expect(cloud.create('taken')).rejects.toThrow('STATE_UNUSABLE: cannot make');
      expect((await sandbox.run('echo alive')).out).toBe('alive\n');
      await cloud.end('taken');
    });

    it('leaves nothing if the cloud is killed and another one starts', async () => {
      const ids = ['lost1', 'lost2', 'lost3'];
      const made = await Promise.all(ids.map((id) => cloud.create(id)));
      const namespaces = made.flatMap(({ pid }) => namespacesOf(pid));
      for (const sandbox of made) await sandbox.run(littered);
      // A sandbox that cannot notice that its host has died.
      process.kill(made[2]!.pid, 'SIGSTOP');
      await cloud.kill();
      await eventually(() => expect(identify(made[0]!.pid)).toBeUndefined());
      expect(existsSync(join(stateDir, 'sandboxes', 'lost1'))).toBe(true);

      cloud = await startCloud(stateDir, { uid });
      expect(cloud.recovered.sort()).toEqual(ids);
      expect(remains(stateDir, ids, namespaces)).toEqual([]);
    });
  });

/** The state letters of the processes of a PID namespace. */
function statesIn(namespace: string | undefined): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && namespacesOf(Number(name))[0] === namespace)
    .map((pid) => readFileSync(`/proc/${pid}/stat`, 'utf8').replace(/^.*\) (\w) .*$/s, '$1'));
}
