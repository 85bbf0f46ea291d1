import { chmodSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { ownCgroupRoot } from '../../../local-cloud/sandbox/cgroup.ts';
import { findIsolation } from '../../../local-cloud/sandbox/isolation.ts';
import type { Inside } from '../../../local-cloud/sandbox/sandbox.ts';
import { Sandboxes, type SandboxesOptions } from '../../../local-cloud/sandbox/sandboxes.ts';
import { PACKAGE_ROOT } from '../../../src/package-root.ts';
import { describeWith } from '../../machine.ts';
import { makeState, removeState } from '../stand-in/cloud.ts';
import { askAgent, run, standInFolders, standIns } from '../stand-in/inside.ts';

// From the build: a sandbox runs what `npm run build` has made.
const AGENT = join(PACKAGE_ROOT, 'dist/local-cloud/agent');
const input = '{"accessToken":"not-a-secret"}';

let stateDir: string;
let options: SandboxesOptions;
let sandboxes: Sandboxes;

const agent = [process.execPath, join(AGENT, 'main.js'), '--stdin'];
const bridge = [process.execPath, join(AGENT, 'port-bridge', 'main.js')];

describeWith('isolation', 'a sandbox', () => {
  beforeAll(async () => {
    stateDir = makeState();
    options = {
      stateDir,
      isolation: await findIsolation(process.getuid?.() ?? -1),
      programs: ['dist', 'node_modules', 'package.json']
        .map((name) => join(PACKAGE_ROOT, name))
        .concat(dirname(process.execPath)),
      graceMs: 5000,
      cgroups: ownCgroupRoot(),
      searchPath: process.env.PATH ?? '',
      temporary: tmpdir(),
    };
    sandboxes = new Sandboxes(options);
  });
  afterAll(async () => {
    await sandboxes.endAll();
    await removeState(stateDir);
  });

  it.each([
    ['with the bridge in it', 'within', (at: Inside) => ({ agent: [...agent, '--bridge', at.bridgeSocket] })],
    ['beside the bridge', 'beside', (at: Inside) => ({ agent, bridge: [...bridge, at.bridgeSocket] })],
  ])('runs the real agent %s, as `user` or able to become it', async (_, sandboxId, commands) => {
    const sandbox = await sandboxes.create({ sandboxId, input, commands });
    expect(
      await askAgent(sandbox, '/files?path=/etc/hostname', '', { 'x-access-token': 'not-a-secret' }),
    ).toBe('sandbox\n');
    expect(await askAgent(sandbox, '/files?path=/etc/hostname')).toContain('unauthorized');
    const message = JSON.stringify({ process: { cmd: '/bin/bash', args: ['-l', '-c', 'whoami; pwd'] } });
    const head = Buffer.alloc(5);
    head.writeUInt32BE(message.length, 1);
    const events = await askAgent(sandbox, '/process.Process/Start', head.toString('latin1') + message, {
      'content-type': 'application/connect+json',
      'connect-protocol-version': '1',
      'x-access-token': 'not-a-secret',
    });
    const said = [...events.matchAll(/"stdout":"([^"]+)"/g)].map(([, text]) =>
      Buffer.from(text!, 'base64').toString(),
    );
    expect(said.join('')).toBe('user\n/home/user\n');
    await sandbox.end();
    expect(await sandbox.exited).toBe(0);
  });

  it('sees programs below /var/tmp there, and leaves nothing of them in the /tmp of the machine', async () => {
    const folder = mkdtempSync('/var/tmp/sandgate-test-');
    chmodSync(folder, 0o755);
    writeFileSync(join(folder, 'file'), 'seen');
    chmodSync(join(folder, 'file'), 0o644);
    const other = new Sandboxes({ ...options, programs: [folder, ...standInFolders()] });
    try {
      const sandbox = await other.create({ sandboxId: 'shown', commands: standIns });
      expect((await run(sandbox, `cat ${folder}/file`)).out).toBe('seen');
      expect(existsSync(join('/tmp', basename(folder)))).toBe(false);
    } finally {
      await other.endAll();
      rmSync(folder, { recursive: true });
    }
  });
});
