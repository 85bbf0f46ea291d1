import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { ask, askHttp2, openWebSocket } from '../../stack/client.ts';
import { PATIENCE } from '../../stack/patience.ts';
import { digestOf, hostOf, OTHER_TOKEN, restricted, TOKEN } from '../../stack/test-stack.ts';
import { askOnce, get } from '../raw-http1.ts';
import { askRawHttp2 } from '../raw-http2.ts';
import { openScene, type Sandbox, type Scene } from '../scene.ts';
import { editStored } from '../stored-record.ts';

let scene: Scene;
let locked: Sandbox;
/** Every byte that any client received. */
const answered: string[] = [];
beforeAll(async () => {
  scene = await openScene();
  locked = await scene.restricted('locked');
  await provoke();
  // Envoy buffers its access log, and writes all of it when it exits.
  await scene.stack.envoy.stop(5000);
});
afterAll(() => scene?.close());

const NAME = 'e2b-traffic-access-token';
const BROWSER = { 'user-agent': 'Mozilla/5.0', accept: 'text/html' };

/** Requests for each place that could record its input. */
async function provoke(): Promise<void> {
  const { http } = scene.stack;
  const names = [hostOf(1, 'locked'), hostOf(80, 'nobody'), 'nonsense', '0-locked.e2b.localhost'];
  const asked = [TOKEN, OTHER_TOKEN, `${TOKEN}, ${OTHER_TOKEN}`].flatMap((token) =>
    [locked.host, locked.agentHost, ...names].flatMap((host) =>
      [{}, BROWSER].map((more) => ({
        host,
        headers: { [NAME]: token, ...more },
        path: `/?${NAME}=${TOKEN}`,
      })),
    ),
  );
  const raw = [
    get(`u:${TOKEN}@${locked.host}`),
    get(locked.host, [`${NAME}: ${TOKEN}`, `${NAME}: ${OTHER_TOKEN}`]),
    get(locked.host, [`${NAME}: ${TOKEN}\xff`]),
    get(locked.agentHost, [`${NAME}: ${TOKEN}`], `/init?${NAME}=${TOKEN}`),
    get(locked.host, [`${NAME} : ${TOKEN}`]),
    get(locked.host, [`${NAME}: ${TOKEN}`, `X-Big: ${'x'.repeat(70_000)}`]),
  ];
  // In fields that are logged: as themselves, too long, and in characters that the log must escape.
  const ids = [TOKEN, `${TOKEN}${'r'.repeat(50_000)}`, '\xff'.repeat(63), '\t"'.repeat(31)];
  const fields = [
    ...[TOKEN, `GET ${TOKEN}`, `${TOKEN}${'M'.repeat(8000)}`].map((value) => ({ ':method': value })),
    ...ids.map((value) => ({ ':method': 'GET', 'x-request-id': value })),
  ].map((own) => Object.entries({ ':scheme': 'http', ':path': '/', ':authority': locked.host, ...own }));
  const all = await Promise.all([
    ...asked.flatMap((one) => [ask(http, one), askHttp2(http, one)]),
    ...raw.map((bytes) => askOnce(http, bytes)),
    ...fields.map((own) => askRawHttp2(http, own)),
    ...ids.map((id) => askOnce(http, get(locked.host, [`X-Request-Id: ${id}`]))),
    ...[TOKEN, 'M'.repeat(8000)].map((word) => askOnce(http, `${word} ${get(locked.host).slice(4)}`)),
    openWebSocket(http, { host: locked.host, headers: { [NAME]: OTHER_TOKEN } }),
  ]);
  answered.push(...all.map((answer) => JSON.stringify(answer)));
  editStored(scene.stack, 'locked', (record) => ({ ...record, schema: 2 }));
  await vi.waitUntil(async () => (await askLocked()) === 503, PATIENCE);
}

async function askLocked(): Promise<number> {
  const answer = await ask(scene.stack.http, { host: locked.host, headers: { [NAME]: TOKEN } });
  answered.push(JSON.stringify(answer));
  return answer.status;
}

function accessLines(): string[] {
  return readFileSync(join(scene.stack.stateDir, 'access.log'), 'utf8').trim().split('\n');
}

const secrets = [TOKEN, OTHER_TOKEN, digestOf(TOKEN), digestOf(OTHER_TOKEN)];

function expectNoSecret(text: string): void {
  for (const secret of secrets) expect(text).not.toContain(secret);
}

describe('A2: a token, or its digest', () => {
  it('is in no access log, no Envoy log and no gate log', () => {
    const logs = scene.stack.logs();
    expect(logs).toContain('token_invalid');
    expect(logs).toContain('"sandbox":"locked"');
    expect(logs).toContain('gate_ready');
    expectNoSecret(logs);
  });

  it('is not there as a method or a request id either, whole or in part', () => {
    const lines = accessLines();
    expect(lines.filter((line) => line.includes('"method":"other"')).length).toBeGreaterThanOrEqual(2);
    expect(lines.filter((line) => line.includes('"rid":"long"')).length).toBeGreaterThanOrEqual(2);
    expect(scene.stack.logs()).not.toContain(TOKEN.slice(0, 12));
  });

  it('is in no answer of the gate or of Envoy, its headers included', () => {
    expect(answered.length).toBeGreaterThan(40);
    expectNoSecret(answered.join('\n'));
  });

  it('is in no file of the state folder but the policy store, which holds only digests', () => {
    const files = readdirSync(scene.stack.stateDir, { recursive: true, withFileTypes: true }).filter(
      (entry) => entry.isFile(),
    );
    const names = files.map(({ name }) => name);
    expect(names).toContain(`${process.pid}.json`);
    for (const { parentPath, name } of files) {
      const text = readFileSync(join(parentPath, name), 'latin1');
      if (name.startsWith('policies.db'))
        for (const token of [TOKEN, OTHER_TOKEN]) expect(text).not.toContain(token);
      else expectNoSecret(text);
    }
  });

  it('is in no error of a refused write', async () => {
    const wrong = [
      restricted('locked2', { access: { tokens: [{ id: 'a', sha256: TOKEN.slice(1) }] } }),
      restricted('locked2', { access: { tokens: [{ id: 'a', token: TOKEN }] } }),
      restricted('locked2', { access: { token: TOKEN } }),
      restricted('locked2', { access: { tokens: [{ id: `${TOKEN}0`, sha256: digestOf(TOKEN) }] } }),
      restricted(TOKEN),
    ];
    for (const record of wrong) {
      const error = await scene.stack.put(record).then(
        () => undefined,
        (thrown: Error) => thrown,
      );
      expect(error).toBeInstanceOf(Error);
      expectNoSecret(`${error!.message} ${JSON.stringify(error)}`);
    }
  });
});

describe('a line of the access log', () => {
  it('has at most 700 bytes, whatever a client sends', () => {
    const lines = accessLines();
    expect(lines.length).toBeGreaterThan(40);
    expect(lines.filter((line) => Buffer.byteLength(line) > 700)).toEqual([]);
    for (const line of lines) expect(JSON.parse(line)).toBeTypeOf('object');
  });
});
