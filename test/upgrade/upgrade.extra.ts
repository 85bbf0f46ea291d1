import { spawn } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { formatAddress } from '../../src/address.ts';
import { PACKAGE_ROOT } from '../../src/package-root.ts';
import { FIXTURE, OLDER_TOKENS } from '../policy/older-state.ts';
import { ask, type ClientRequest } from '../stack/client.ts';
import { cleanEnv, runProgram, SANDGATE } from '../stack/command.ts';
import { PATIENCE } from '../stack/patience.ts';
import { loadPatientConfig, patient } from '../stack/patient-config.ts';
import { type ProcessStack, startProcessStack } from '../stack/process-stack.ts';
import { type Recorder, startRecorder } from '../stack/recorder.ts';
import { DOMAIN, hostOf } from '../stack/test-stack.ts';
import { askWebSocket } from '../stack/websocket.ts';

const OLDER = process.env.OLDER_SANDGATE;
if (!OLDER) throw new Error('run this with `npm run test:extra -- upgrade`');

type Version = 'older' | 'newer';
const PROGRAMS: Record<Version, string> = { older: join(OLDER, 'bin', 'sandgate.js'), newer: SANDGATE };
const CONFIGS: Record<Version, () => Promise<string>> = {
  older: async () => patient(readFileSync(join(OLDER, 'envoy', 'envoy.yaml'), 'utf8')),
  newer: loadPatientConfig,
};
const tokenOf = (id: string) => ({ 'e2b-traffic-access-token': OLDER_TOKENS[id] ?? id });

/** What is asked all the time, and the one status that it may get. */
interface Traffic {
  name: string;
  sandboxId: string;
  request?: Partial<ClientRequest>;
  socket?: true;
  status: number;
}

const TRAFFIC: Traffic[] = [
  { name: 'a public sandbox', sandboxId: 'oldpublic', status: 200 },
  {
    name: 'a POST',
    sandboxId: 'oldpublic',
    request: { method: 'POST', body: 'x'.repeat(9000) },
    status: 200,
  },
  { name: 'a WebSocket', sandboxId: 'oldpublic', socket: true, status: 101 },
  { name: 'a token', sandboxId: 'oldtokens', request: { headers: tokenOf('default') }, status: 200 },
  {
    name: 'the successor of a rotated token',
    sandboxId: 'oldtokens',
    request: { headers: tokenOf('successor') },
    status: 200,
  },
  {
    name: 'a token with an end',
    sandboxId: 'oldtokens',
    request: { headers: tokenOf('valid') },
    status: 200,
  },
  {
    name: 'a token of this incarnation',
    sandboxId: 'oldtokens',
    request: { headers: tokenOf('bound') },
    status: 200,
  },
  {
    name: 'a token of another incarnation',
    sandboxId: 'oldtokens',
    request: { headers: tokenOf('otherlife') },
    status: 403,
  },
  { name: 'a revoked token', sandboxId: 'oldtokens', request: { headers: tokenOf('leaked') }, status: 403 },
  { name: 'a rotated token', sandboxId: 'oldtokens', request: { headers: tokenOf('rotated') }, status: 403 },
  { name: 'an expired token', sandboxId: 'oldtokens', request: { headers: tokenOf('expired') }, status: 403 },
  {
    name: 'a token of other ports',
    sandboxId: 'oldtokens',
    request: { headers: tokenOf('ports') },
    status: 403,
  },
  { name: 'no token', sandboxId: 'oldtokens', status: 403 },
  { name: 'a mask', sandboxId: 'oldmask', request: { headers: tokenOf('default') }, status: 200 },
  { name: 'a paused sandbox', sandboxId: 'oldpaused', status: 502 },
  { name: 'a sandbox whose end has passed', sandboxId: 'oldended', status: 502 },
  { name: 'a deleted sandbox', sandboxId: 'olddeleted', status: 502 },
];

let stack: ProcessStack;
let up: Recorder;
const start = async (config: Version) => {
  stack = await startProcessStack({
    gates: 0,
    sockets: 2,
    config: await CONFIGS[config](),
    state: join(FIXTURE, 'state'),
  });
};
const startGate = (n: number, version: Version) => stack.startGate(n, { program: PROGRAMS[version] });
/** The gates' own drain keeps Envoy from losing a request, as with any restart. */
const replaceGate = async (n: number, version: Version) => {
  stack.gates[n]!.signal('SIGTERM');
  await stack.gates[n]!.exited;
  await startGate(n, version);
  await stack.waitForGates(2);
};
const command = async (version: Version, ...args: string[]) => {
  const ran = await runProgram([process.execPath, PROGRAMS[version], ...args, '--state-dir', stack.stateDir]);
  expect(ran, args.join(' ')).toMatchObject({ code: 0 });
  return ran.stdout;
};

beforeEach(async () => {
  up = await startRecorder();
});
afterEach(async () => {
  await stack?.stop();
  await up?.close();
});

/** Asks everything again and again, until `stop`, which returns how often each was asked, and every wrong answer. */
function startTraffic() {
  const asked = new Map<string, number>();
  const wrong: string[] = [];
  let stopped = false;
  const one = async ({ name, sandboxId, request, socket, status }: Traffic) => {
    while (!stopped) {
      const sent = { host: hostOf(up.port, sandboxId), ...request };
      const answer = await (socket ? askWebSocket(stack.http, sent) : ask(stack.http, sent)).catch(
        (error: Error) => ({ status: 0, body: error.message }),
      );
      asked.set(name, (asked.get(name) ?? 0) + 1);
      if (answer.status !== status) wrong.push(`${name}: ${answer.status} ${answer.body}`);
    }
  };
  const running = TRAFFIC.map(one);
  return {
    /** Waits until everything was asked `times` more. */
    async more(times: number) {
      const goals = TRAFFIC.map(({ name }) => ({ name, goal: (asked.get(name) ?? 0) + times }));
      const behind = () => goals.filter(({ name, goal }) => (asked.get(name) ?? 0) < goal);
      await vi.waitFor(() => expect(behind()).toEqual([]), PATIENCE);
    },
    async stop() {
      stopped = true;
      await Promise.all(running);
      return { requests: [...asked.values()].reduce((sum, count) => sum + count, 0), wrong };
    },
  };
}

describe.each(['older', 'newer'] as const)('with the Envoy config of the %s version', (config) => {
  it('an upgrade of its state folder, gate by gate, and the way back lose no request', async () => {
    await start(config);
    await Promise.all([startGate(0, 'older'), startGate(1, 'older')]);
    await stack.waitForGates(2);
    const traffic = startTraffic();
    await traffic.more(20);
    for (const [gate, version, other] of [
      [0, 'newer', 'older'],
      [1, 'newer', 'older'],
      [1, 'older', 'newer'],
      [0, 'older', 'newer'],
    ] as const) {
      await replaceGate(gate, version);
      await traffic.more(20);
      // Both versions write while both run, and each says that its change is in force at both gates.
      for (const by of [version, other]) {
        const minted = JSON.parse(await command(by, 'token', 'mint', 'oldshut', '--id', by, '--json'));
        expect(minted).toMatchObject({ gates: 2, inForce: true });
        const request = {
          host: hostOf(up.port, 'oldshut'),
          headers: { 'e2b-traffic-access-token': minted.token },
        };
        expect(await ask(stack.http, request)).toMatchObject({ status: 200 });
        await command(by, 'token', 'revoke', 'oldshut', by);
        expect(await ask(stack.http, request)).toMatchObject({ status: 403 });
      }
    }
    const { requests, wrong } = await traffic.stop();
    expect(wrong).toEqual([]);
    console.log(`${requests} requests with the Envoy config of the ${config} version, 0 failed`);
  });
});

describe('a fleet under a supervisor of the older version', () => {
  it('runs the newer one after SIGHUP, once that is installed in its place, and loses no request', async () => {
    const installed = mkdtempSync(join(tmpdir(), 'sandgate-installed-'));
    const install = (root: string) => {
      rmSync(installed, { recursive: true });
      for (const part of ['bin', 'dist', 'envoy', 'proto', 'package.json'])
        cpSync(join(root, part), join(installed, part), { recursive: true });
      symlinkSync(join(root, 'node_modules'), join(installed, 'node_modules'));
    };
    install(OLDER);
    await start('older');
    const flags = {
      'state-dir': stack.stateDir,
      listen: `unix:${join(stack.stateDir, 'check', 'gate.sock')}`,
      processes: '2',
      ops: '127.0.0.1:0',
      domains: DOMAIN,
      'sandbox-cidrs': '127.0.0.0/8',
      'own-listeners': formatAddress(stack.http),
      drain: '1.5',
    };
    const args = Object.entries(flags).map(([name, value]) => `--${name}=${value}`);
    const supervisor = spawn(process.execPath, [join(installed, 'bin', 'sandgate.js'), 'serve', ...args], {
      env: cleanEnv(),
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let log = '';
    supervisor.stderr.setEncoding('utf8').on('data', (text: string) => {
      log += text;
    });
    const exited = new Promise((resolve) => supervisor.once('exit', resolve));
    try {
      await stack.waitForGates(2);
      const traffic = startTraffic();
      await traffic.more(20);
      install(PACKAGE_ROOT);
      supervisor.kill('SIGHUP');
      await vi.waitFor(() => expect(log).toMatch(/rolling_restart_(done|failed)/), PATIENCE);
      await traffic.more(20);
      expect((await traffic.stop()).wrong).toEqual([]);
      expect(log).not.toContain('rolling_restart_failed');
    } finally {
      supervisor.kill('SIGTERM');
      await exited;
      rmSync(installed, { recursive: true, force: true });
    }
  });
});
