import { chmodSync, chownSync, mkdirSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { describeWith, PLAIN_USER } from '../../machine.ts';
import { type Cloud, type FarSandbox, makeState, removeState, startCloud } from '../stand-in/cloud.ts';
import { askAgent, standInFolders } from '../stand-in/inside.ts';

const SECRET = 'what-no-sandbox-may-read';
const USERS = [
  ['isolation', undefined],
  ['isolationWithoutRoot', PLAIN_USER],
] as const;

for (const [need, uid] of USERS)
  describeWith(need, `sandboxes of a cloud that runs as ${uid ?? 'this user'}`, () => {
    let stateDir: string;
    let cloud: Cloud;
    let one: FarSandbox;
    let other: FarSandbox;
    const listening: Server[] = [];
    let loopbackPort: number;

    beforeAll(async () => {
      stateDir = makeState(uid);
      for (const [name, mode] of [
        ['tls', 0o700],
        ['check', 0o755],
      ] as const)
        mkdirSync(join(stateDir, name), { mode });
      // With the widest permissions, so that only isolation protects them.
      for (const name of ['tls/ca.key', 'token-seed', 'policies.db']) {
        writeFileSync(join(stateDir, name), SECRET);
        chmodSync(join(stateDir, name), 0o644);
      }
      if (uid !== undefined) chownSync(join(stateDir, 'tls'), uid, uid);
      for (const at of [{ path: join(stateDir, 'check', 'gate.sock') }, { port: 0, host: '127.0.0.1' }]) {
        const server = createServer((socket) => void socket.on('error', () => {}).end(SECRET));
        await new Promise<void>((resolve) => server.listen(at, resolve));
        listening.push(server);
      }
      loopbackPort = (listening.at(-1)!.address() as AddressInfo).port;
      chmodSync(join(stateDir, 'check', 'gate.sock'), 0o666);
      cloud = await startCloud(stateDir, { uid });
      [one, other] = await Promise.all([
        cloud.create('one'),
        cloud.create('other', { env: { OF_OTHER: SECRET } }),
      ]);
      await other.run(
        `echo ${SECRET} > /home/user/file; echo ${SECRET} > /tmp/file; chmod 644 /home/user/file /tmp/file`,
      );
    });
    afterAll(async () => {
      await cloud?.stop();
      for (const server of listening) server.close();
      await removeState(stateDir);
    });

    it('are isolated in the way that this user can', () => {
      expect(cloud.isolation).toBe((uid ?? process.getuid?.()) === 0 ? 'root' : 'user');
    });

    it.each(['', 'user', 'sudo'])('cannot read the state folder (as %j)', async (as) => {
      for (const path of [
        'tls/ca.key',
        'token-seed',
        'policies.db',
        'sandboxes/other/home/file',
        'sandboxes/other/record.json',
        '.',
      ]) {
        const { code, out } = await attempt(as, `cat ${join(stateDir, path)}; ls -A ${join(stateDir, path)}`);
        expect([path, code, out]).not.toContain(SECRET);
        expect([path, code]).toEqual([path, expect.not.toBeOneOf([0])]);
      }
    });

    it.each(['', 'user', 'sudo'])('cannot find it by another path (as %j)', async (as) => {
      const { out } = await attempt(
        as,
        `grep -rsl ${SECRET} / --exclude-dir=proc --exclude-dir=usr --exclude-dir=dev; cat /proc/[0-9]*/root${stateDir}/token-seed /proc/[0-9]*/cwd/token-seed`,
      );
      expect(out).not.toContain(`${SECRET}\n`);
      expect(out.split('\n').filter((line) => line.startsWith('/'))).toEqual([]);
    });

    it.each(['', 'user', 'sudo'])('cannot reach the sockets of gate and bridge (as %j)', async (as) => {
      for (const path of [
        join(stateDir, 'check', 'gate.sock'),
        one.bridgeSocket,
        other.bridgeSocket,
        '/run/bridge/bridge.sock',
      ]) {
        const { out } = await attempt(
          as,
          `python -c 'import socket; s = socket.socket(socket.AF_UNIX); s.connect("${path}"); print("reached", s.recv(99))'`,
        );
        expect([path, out]).toEqual([path, expect.stringContaining('FileNotFoundError')]);
      }
    });

    it.each(['', 'user', 'sudo'])(
      'cannot reach the loopback of the machine, only their own (as %j)',
      async (as) => {
        const { out } = await attempt(
          as,
          `python -c 'import socket; s = socket.create_connection(("127.0.0.1", ${loopbackPort})); print("reached", s.recv(99))'`,
        );
        expect(out).toContain('ConnectionRefusedError');
        const links = await attempt(as, 'ls /proc/self/net/dev_snmp6');
        expect(links.out.trim()).toBe('lo');
      },
    );

    it.each(['', 'user', 'sudo'])('see no process but their own (as %j)', async (as) => {
      const { out } = await attempt(
        as,
        'cat /proc/[0-9]*/environ | tr "\\0" "\\n"; cat /proc/[0-9]*/cmdline | tr "\\0" "\\n"',
      );
      expect(out).not.toContain('OF_OTHER');
      expect(out).not.toContain('vitest');
      const init = await attempt(
        as,
        'cat /proc/1/environ; readlink /proc/1/root /proc/1/cwd; kill -9 1; echo end',
      );
      expect(init.out).not.toContain('SANDBOX_FOLDER');
      expect(init.out).not.toMatch(/^\/(?!bin\/bash: line)/m);
      expect((await one.run('echo alive')).out).toBe('alive\n');
    });

    it.each(['', 'user', 'sudo'])('cannot change the machine or undo what hides it (as %j)', async (as) => {
      for (const command of [
        'touch /usr/bin/x',
        'touch /etc/x',
        'echo x >> /etc/passwd',
        'umount /etc/passwd',
        'mount -o remount,rw /usr',
        'mount --bind /tmp /usr',
        'nsenter --target 1 --mount true',
        'nsenter --target 1 --user true',
        'echo 1 > /proc/sys/kernel/panic',
        'echo x > /proc/sysrq-trigger',
        'chroot /proc/1/root true',
        'mknod /tmp/disk b 254 0 && cat /tmp/disk',
        'ip link set lo down',
      ]) {
        const { code } = await attempt(as, `( ${command} ) 2>&1`);
        expect([command, code]).toEqual([command, expect.not.toBeOneOf([0])]);
      }
    });

    it('have a home, a temporary folder, python and a terminal of their own', async () => {
      const { out } = await one.run(
        'cd; pwd; ls -A /home/user; python --version; python3 --version; hostname; whoami',
        'user',
      );
      expect(out).toMatch(/^\/home\/user\nPython 3\.\S+\nPython 3\.\S+\nsandbox\nuser\n$/);
      // The parents of the programs that it is shown, if they are there.
      const shown = standInFolders().map((path) => /^\/(?:var\/)?tmp\/([^/]+)/.exec(path)?.[1]);
      const temporary = (await one.run('ls -A /tmp', 'user')).out.split('\n').filter(Boolean);
      expect(temporary.filter((name) => !shown.includes(name))).toEqual([]);
      expect((await one.run('script -qc tty /dev/null')).out).toContain('/dev/pts/0');
      expect((await one.run('touch ~/a /tmp/b && sudo touch /tmp/c && sudo whoami', 'user')).out).toBe(
        'root\n',
      );
    });

    it('both listen on 8080, and on 80', async () => {
      for (const sandbox of [one, other]) {
        for (const port of [8080, 80]) {
          const server = `import http.server as h; h.HTTPServer(("127.0.0.1", ${port}), h.SimpleHTTPRequestHandler)`;
          expect(await sandbox.run(`python -c '${server}'`, 'user')).toEqual({ code: 0, out: '' });
        }
      }
    });

    it('give the agent its environment and its input, and nothing from the host', async () => {
      const made = await cloud.create('third', {
        env: { TOLD: 'a b\n"c"', BASH_ENV: '/home/user/evil', 'not-a-name': 'x' },
        input: '{"accessToken":"x"}',
      });
      const { input, env } = JSON.parse(await askAgent(made, '/started'));
      expect(input).toBe('{"accessToken":"x"}');
      expect(env).toMatchObject({ TOLD: 'a b\n"c"', BASH_ENV: '/home/user/evil', HOME: '/home/user' });
      const out = Object.keys(env).join('\n');
      expect(out).not.toMatch(/sandbox|SANDBOX|SANDGATE|not-a-name/);
      await cloud.end('third');
    });

    async function attempt(as: string, command: string) {
      const quoted = command.replaceAll("'", "'\\''");
      return as === 'sudo' ? one.run(`sudo bash -c '${quoted}'`, 'user') : one.run(command, as);
    }
  });
