import { existsSync, mkdirSync, readdirSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { findIsolation } from '../../../local-cloud/sandbox/isolation.ts';
import { Sandboxes } from '../../../local-cloud/sandbox/sandboxes.ts';
import { identify } from '../../../src/state/process-identity.ts';
import { itWith } from '../../machine.ts';
import { eventually } from '../../stack/eventually.ts';
import { type Cloud, makeState, removeState, startCloud } from '../stand-in/cloud.ts';
import { run, standInFolders, standIns } from '../stand-in/inside.ts';
import { remains } from '../stand-in/remains.ts';

let stateDir: string;
let cloud: Cloud;

beforeAll(async () => {
  stateDir = makeState();
  cloud = await startCloud(stateDir, { how: 'none' });
});
afterAll(async () => {
  await cloud?.stop();
  await removeState(stateDir);
});

it('gives each sandbox without isolation an agent of its own, on its own port', async () => {
  const [one, other] = await Promise.all([cloud.create('one'), cloud.create('other')]);
  expect(one.agentPort).not.toBe(other.agentPort);
  for (const sandbox of [one, other]) {
    expect((await sandbox.run('pwd; echo $HOME')).out).toContain(`/sandboxes/${sandbox.sandboxId}/home`);
  }
  await Promise.all([cloud.end('one'), cloud.end('other')]);
  expect(identify(one.pid)).toBeUndefined();
  expect(remains(stateDir, ['one', 'other'], [])).toEqual([]);
});

it('pauses and resumes their process group', async () => {
  const sandbox = await cloud.create('paused');
  await cloud.pause('paused');
  await cloud.resume('paused');
  expect((await sandbox.run('echo back')).out).toBe('back\n');
  await cloud.pause('paused');
  await cloud.end('paused');
  expect(identify(sandbox.pid)).toBeUndefined();
});

it('ends their process group when the cloud is killed', async () => {
  const { pid } = await cloud.create('lost');
  await cloud.kill();
  await eventually(() => expect(identify(pid)).toBeUndefined());
  cloud = await startCloud(stateDir, { how: 'none' });
  expect(cloud.recovered).toEqual(['lost']);
  expect(remains(stateDir, ['lost'], [])).toEqual([]);
});

it('refuses to start if sandboxes cannot be isolated, and says how to fix that or do without', async () => {
  const path = process.env.PATH;
  process.env.PATH = '/nonexistent';
  const refused = await findIsolation(1000).catch((error) => error);
  process.env.PATH = path;
  expect(refused).toMatchObject({
    code: 'ISOLATION_UNAVAILABLE',
    message: expect.stringContaining('unshare'),
    remedy: expect.stringMatching(/user namespaces.*SANDGATE_ISOLATION=off/),
  });
});

itWith('isolation', 'does without `ip`, which small images lack', async () => {
  const tools = join(stateDir, 'tools');
  mkdirSync(tools);
  for (const folder of ['/usr/sbin', '/usr/bin']) {
    for (const name of readdirSync(folder)) {
      if (name !== 'ip' && !existsSync(join(tools, name))) symlinkSync(join(folder, name), join(tools, name));
    }
  }
  const sandboxes = new Sandboxes({
    stateDir,
    isolation: await findIsolation(process.getuid?.() ?? -1),
    programs: standInFolders(),
    graceMs: 2000,
    cgroups: { mount: '/nowhere', membership: '' },
    searchPath: tools,
    temporary: tmpdir(),
  });
  const sandbox = await sandboxes.create({ sandboxId: 'small', commands: standIns });
  // Reached over its loopback.
  expect((await run(sandbox, 'echo up')).out).toBe('up\n');
  await sandboxes.endAll();
  expect(remains(stateDir, ['small'], [])).toEqual([]);
});

itWith('isolation', 'says what a sandbox said that did not start, and leaves nothing of it', async () => {
  const failing = new Sandboxes({
    stateDir,
    isolation: await findIsolation(process.getuid?.() ?? -1),
    programs: [],
    graceMs: 2000,
    cgroups: { mount: '/nowhere', membership: '' },
    searchPath: process.env.PATH ?? '',
    temporary: tmpdir(),
  });
  await expect(
    failing.create({ sandboxId: 'failing', commands: () => ({ agent: ['/no/such/agent'] }) }),
  ).rejects.toThrow('/no/such/agent: No such file or directory');
  expect(remains(stateDir, ['failing'], [])).toEqual([]);
});
