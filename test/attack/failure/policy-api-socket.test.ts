import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { readSettings } from '../../../src/config.ts';
import { openStore } from '../../../src/policy-access.ts';
import { liveGates } from '../../../src/state/run-file.ts';
import { askAdmin } from '../../policy-api/client.ts';
import { KEY, policy, type RunningApi, startApi } from '../../policy-api/running-api.ts';
import { sandgate } from '../../stack/command.ts';
import { sandgateInside } from '../../stack/command-inside.ts';
import { type GateProcess, startGateProcess } from '../../stack/gate-process.ts';
import { LONG } from '../../stack/long.ts';
import { PATIENCE } from '../../stack/patience.ts';
import { hold } from './held-connection.ts';

const stateDir = mkdtempSync(join(tmpdir(), 'sandgate-test-'));
const gates: GateProcess[] = [];
let api: RunningApi;
/** Answers to slow clients, started first because their timeout takes ten seconds. */
let dribbled: Promise<string[]>;
beforeAll(async () => {
  api = await startApi({ policyApi: '127.0.0.1:0' }, [KEY]);
  const port = Number(api.gate.policyApi!.split(':')[1]);
  const authorized = [`Host: ${api.gate.policyApi}`, `Authorization: Bearer ${KEY}`];
  const post = ['POST /v1/policies HTTP/1.1', ...authorized, 'Content-Type: application/json'];
  dribbled = Promise.all([
    answerTo(port, 'GET /v1/policies HTTP/1.1\r\nX-Slow: '),
    answerTo(port, [...post, 'Content-Length: 100', '', '['].join('\r\n')),
    answerTo(api.gate.ops.port, 'GET /readyz HTTP/1.1\r\nX-Slow: '),
  ]);
});
afterEach(() => Promise.all(gates.splice(0).map((gate) => gate.end())));
afterAll(async () => {
  await api?.stop();
  rmSync(stateDir, { recursive: true, force: true });
});

async function startGate(flags: Record<string, string> = {}): Promise<GateProcess & { policyApi: string }> {
  const socket = join(stateDir, 'check', `gate-${gates.length}.sock`);
  const gate = await startGateProcess({ stateDir, socket, ownListeners: '', flags });
  gates.push(gate);
  return { ...gate, policyApi: liveGates(stateDir).find(({ pid }) => pid === gate.pid)!.policyApi! };
}

/** Sends bytes on a connection that never closes its side; resolves with the response once the other side closes. */
async function answerTo(at: number, bytes: string): Promise<string> {
  const socket = await hold(at, bytes);
  let text = '';
  socket.on('data', (chunk) => {
    text += String(chunk);
  });
  await new Promise((resolve) => socket.once('end', resolve));
  socket.destroy();
  return text;
}

describe('E2: the policy API on TCP', () => {
  const serve = (...args: string[]) => [
    'serve',
    '--sandbox-cidrs=10.0.0.0/8',
    `--state-dir=${stateDir}`,
    '--ops=127.0.0.1:0',
    ...args,
  ];

  it('refuses to start without a key, as a process with exit code 2', async () => {
    expect(await sandgate(serve('--policy-api=127.0.0.1:0'))).toMatchObject({
      code: 2,
      stdout: '',
      stderr: expect.stringContaining('SANDGATE_POLICY_API_KEYS'),
    });
  });

  it.each(['127.0.0.1:0', '[::1]:0', '0.0.0.0:0', 'localhost:7001'])(
    'refuses to start on %s without a key',
    async (at) => {
      const ran = await sandgateInside(serve(`--policy-api=${at}`));
      expect(ran.code).toBe(2);
      expect(ran.stderr).toContain('SANDGATE_POLICY_API_KEYS');
      expect(ran.stdout).toBe('');
    },
  );

  it('refuses to start with a key that could be guessed, and does not print it', async () => {
    const keys = { SANDGATE_POLICY_API_KEYS: `${KEY},hunter2` };
    const ran = await sandgateInside(serve('--policy-api=127.0.0.1:0'), { env: keys });
    expect(ran.code).toBe(2);
    expect(ran.stderr).toContain('32 to 512');
    expect(ran.stderr).not.toContain('hunter2');
  });

  it('does not accept a key as an argument', async () => {
    const ran = await sandgateInside(serve('--policy-api=127.0.0.1:0', `--policy-api-keys=${KEY}`));
    expect(ran.code).toBe(2);
  });
});

describe('E2: a web page that reaches the API', () => {
  it('under its own name (DNS rebinding) is refused, even with a key', async () => {
    const port = api.gate.policyApi!.split(':')[1];
    const refused = await api.ask({ headers: { host: `rebound.example:${port}` } });
    expect(refused.status).toBe(421);
  });

  it.each(['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=x'])(
    'with a request that needs no preflight (%s) writes nothing',
    async (type) => {
      const raw = JSON.stringify([policy('page')]);
      const headers = { 'content-type': type, origin: 'http://evil.example' };
      expect((await api.ask({ method: 'POST', raw, headers })).status).toBe(415);
      expect(await api.store.read('page')).toBeUndefined();
    },
  );

  it('with a preflight gets no permission', async () => {
    const headers = { origin: 'http://evil.example', 'access-control-request-method': 'PUT' };
    const answer = await api.ask({ method: 'OPTIONS', path: '/v1/policies/a', headers });
    expect(answer.status).toBe(405);
    expect(JSON.stringify(answer.headers)).not.toContain('access-control');
  });

  it('is not dialed through the ingress: its port is an own listener', async () => {
    const port = Number(api.gate.policyApi!.split(':')[1]);
    const [run] = liveGates(api.stateDir);
    expect(run!.ownListeners).toContainEqual({ host: '127.0.0.1', port });
  });
});

describe('E2: the socket of the policy API', () => {
  it('and its folder are accessible only to their owner', async () => {
    const { policyApi: at } = await startGate();
    const path = at.slice('unix:'.length);
    expect(path).toBe(join(stateDir, 'policy-api', 'policy.sock'));
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(statSync(dirname(path)).mode & 0o777).toBe(0o700);
  });

  it('is taken over from a killed gate, never from a live one', async () => {
    const first = await startGate();
    const second = await startGate();
    expect(second.policyApi).toBe(`unix:${join(stateDir, 'policy-api', `policy-${second.pid}.sock`)}`);
    expect((await askAdmin(first.policyApi, {})).status).toBe(200);
    await first.end();
    expect((await startGate()).policyApi).toBe(first.policyApi);
    const chosen = await sandgate([
      ...['serve', '--sandbox-cidrs=10.0.0.0/8', `--state-dir=${stateDir}`, '--ops=127.0.0.1:0'],
      ...[`--listen=unix:${join(stateDir, 'check', 'other.sock')}`, `--policy-api=${second.policyApi}`],
    ]);
    expect(chosen.code).toBe(1);
    expect(chosen.stderr).toContain('SANDGATE_POLICY_API');
  });
});

describe('E3: writes over the API', () => {
  it('D6: of two gates at the same version one wins, the other gets a conflict', async () => {
    const [a, b] = [await startGate(), await startGate()];
    await askAdmin(a.policyApi, {
      method: 'POST',
      json: [policy('two', { runtime: { route: { address: '127.0.0.1' } } })],
    });
    for (let round = 0; round < (LONG ? 20 : 5); round++) {
      const got = await askAdmin(a.policyApi, { path: '/v1/policies/two' });
      const write = (at: string) =>
        askAdmin(at, {
          method: 'PUT',
          path: '/v1/policies/two',
          json: got.body,
          headers: { 'if-match': got.headers.etag! },
        });
      const statuses = (await Promise.all([write(a.policyApi), write(b.policyApi)])).map(
        ({ status }) => status,
      );
      expect(statuses.sort()).toEqual([200, 409]);
    }
  });

  it('that were acknowledged are there after kill -9, whole', async () => {
    const gate = await startGate();
    const acknowledged: string[] = [];
    const writing = (async () => {
      for (let n = 0; ; n++) {
        const ids = [`k${n}a`, `k${n}b`];
        const json = ids.map((id) => policy(id, { runtime: { route: { address: '127.0.0.1' } } }));
        const { status } = await askAdmin(gate.policyApi, { method: 'POST', json });
        if (status === 200) acknowledged.push(...ids);
      }
    })().catch(() => {});
    await vi.waitUntil(() => acknowledged.length >= 20, PATIENCE);
    gate.signal('SIGKILL');
    await writing;

    const settings = readSettings('policy', { stateDir }, { baseDir: stateDir, ipv6Loopback: false }, {});
    const store = await openStore(settings);
    for (const id of acknowledged) expect(await store.read(id)).toMatchObject({ sandboxId: id });
    const ids = (await store.list({ limit: 1000 })).map(({ sandboxId }) => String(sandboxId));
    for (const id of ids.filter((one) => /^k\d+a$/.test(one))) expect(ids).toContain(id.replace(/a$/, 'b'));
    await store.close();
  });

  it('in progress when the gate is told to stop are answered', async () => {
    const gate = await startGate({ drain: '0' });
    const json = [policy('last', { runtime: { route: { address: '127.0.0.1' } } })];
    const socket = connect(gate.policyApi.slice('unix:'.length));
    await new Promise((resolve) => socket.once('connect', resolve));
    const answered = askAdmin(gate.policyApi, { method: 'POST', json });
    gate.signal('SIGTERM');
    const status = await answered.then(
      ({ status }) => status,
      // The request came too late to be accepted; that is not a partial write.
      (error: NodeJS.ErrnoException) => error.code,
    );
    expect([200, 'ECONNREFUSED', 'ENOENT', 'ECONNRESET']).toContain(status);
    socket.destroy();
    expect(await gate.exited).toBe(0);
  });
});

describe('E2: connections to the policy API', () => {
  it('that send a head or a body too slowly get a 408 and are closed, as on the ops listener', async () => {
    for (const answer of await dribbled) expect(answer).toMatch(/^HTTP\/1\.1 408 /);
  });
});
