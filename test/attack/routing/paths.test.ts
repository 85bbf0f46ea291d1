import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { ask, askHttp2 } from '../../stack/client.ts';
import { TOKEN } from '../../stack/test-stack.ts';
import { askOnce, get, statusOf } from '../raw-http1.ts';
import { openScene, type Sandbox, type Scene } from '../scene.ts';

let scene: Scene;
let a: Sandbox;
beforeAll(async () => {
  scene = await openScene();
  a = await scene.restricted('alpha', { runtime: { agent: 'self-authenticating' } });
});
beforeEach(() => scene.forget());
afterAll(() => scene?.close());

const DOMAIN = 'e2b.localhost';
const WITH_TOKEN = `e2b-traffic-access-token: ${TOKEN}`;
const send = (bytes: string) => askOnce(scene.stack.http, bytes);
const toPort = (port: string, lines: string[] = []) => get(`${port}-alpha.${DOMAIN}`, [WITH_TOKEN, ...lines]);

const noPorts = [
  '0',
  '65536',
  '00',
  '080',
  '049983',
  '+80',
  '-1',
  '',
  '%38080',
  '80.0',
  '0x50',
  '1e3',
  '80 ',
  '8_0',
  '9'.repeat(100),
  '４９９８３',
  '８０８０',
];

describe('C2, C3: an invalid port', () => {
  it.each(noPorts)('%j is a 400 in a host', async (port) => {
    const answer = await send(toPort(Buffer.from(port).toString('latin1')));
    expect(statusOf(answer)).toBe(400);
    expect(scene.arrived()).toBe(0);
  });

  it.each(noPorts.filter((port) => !['', '80 '].includes(port)))('%j is a 400 in a header', async (port) => {
    const lines = ['E2b-Sandbox-Id: alpha', `E2b-Sandbox-Port: ${Buffer.from(port).toString('latin1')}`];
    const answer = await send(get(`sandbox.${DOMAIN}`, [WITH_TOKEN, ...lines]));
    expect(statusOf(answer)).toBe(400);
    expect(answer).toContain('Invalid sandbox port');
    expect(scene.arrived()).toBe(0);
  });

  it('does not lead to the agent: 049983 reaches no sandbox, 49983 does', async () => {
    expect(statusOf(await send(get(`049983-alpha.${DOMAIN}`)))).toBe(400);
    expect(a.agent.arrivals).toHaveLength(0);
    expect(statusOf(await send(get(`49983-alpha.${DOMAIN}`)))).toBe(200);
    expect(a.agent.arrivals).toHaveLength(1);
  });
});

describe('C4: the control-plane paths on 49983', () => {
  const internal = [
    '/init',
    '//init',
    '///init',
    '/./init',
    '/x/../init',
    '/%69nit',
    '/init/',
    '/init//',
    '/init?x',
    '/init;a=b',
    '/../init',
    '/init/.',
    '/init/x/..',
    '/%2e/init',
    '/x/%2E%2e/init',
    '/%2finit',
    '/init%2f',
    '/init%3fx',
    '/init%23',
    '/init%00',
    '/..;/init',
    '/;x/init',
    '/freeze',
    '/unfreeze',
    '/fsfreeze',
    '/fsthaw',
    '/collapse',
    '/upgrade',
    '/upgrade?',
    '//%75pgrade/',
  ];
  const ordinary = [
    '/INIT',
    '/initialize',
    '/init/x',
    '/x/init',
    '/',
    '/health',
    '/%2569nit',
    '/init%20',
    '/files?path=/init',
  ];

  it.each(internal)('%s is a 404 and never arrives, with any method and over HTTP/2', async (path) => {
    for (const method of ['GET', 'POST', 'PUT', 'OPTIONS', 'PROPFIND']) {
      const answer = await ask(scene.stack.http, { host: a.agentHost, method, path });
      expect(answer.status).toBe(404);
      expect(answer.headers['x-sandgate-reason']).toBe('control_plane_path');
    }
    expect((await askHttp2(scene.stack.http, { host: a.agentHost, path })).status).toBe(404);
    const absolute = get(a.agentHost, [], `http://${a.agentHost}${path}`);
    expect(statusOf(await send(absolute))).toBe(404);
    const headers = { 'e2b-sandbox-id': 'alpha', 'e2b-sandbox-port': '49983' };
    expect((await ask(scene.stack.http, { host: 'localhost', path, headers })).status).toBe(404);
    expect(scene.arrived()).toBe(0);
  });

  it('are named in the answer up to 1,024 characters, with < escaped', async () => {
    const path = `/init;${'<'.repeat(20_000)}`;
    const answer = await send(get(a.agentHost, [], path.replaceAll('<', '%3C')));
    expect(statusOf(answer)).toBe(404);
    expect(answer).toContain(`"path":"${path.slice(0, 1024).replaceAll('<', '\\u003c')}"`);
  });

  it('say nothing about which sandboxes exist', async () => {
    const known = await ask(scene.stack.http, { host: a.agentHost, path: '/init' });
    const unknown = await ask(scene.stack.http, { host: `49983-nobody.${DOMAIN}`, path: '/init' });
    expect(unknown).toMatchObject({ status: 404, body: known.body });
  });

  it.each(ordinary)('%s passes, as it was sent', async (path) => {
    expect((await ask(scene.stack.http, { host: a.agentHost, path })).status).toBe(200);
    expect(a.agent.arrivals.map(({ url }) => url)).toEqual([path]);
  });

  it('are ordinary on every other port, and never include a fragment', async () => {
    const headers = { 'e2b-traffic-access-token': TOKEN };
    expect((await ask(scene.stack.http, { host: a.host, path: '/init', headers })).status).toBe(200);
    scene.forget();
    for (const path of ['/init#', '/x#/../init', '#', '/\\init']) {
      const answer = statusOf(await send(get(a.agentHost, [], path)));
      if (answer === 200) expect(path).toBe('/\\init');
      else expect([400, 404]).toContain(answer);
    }
    for (const { url } of a.agent.arrivals) expect(url).toBe('/\\init');
  });
});
