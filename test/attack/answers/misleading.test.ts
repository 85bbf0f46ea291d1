import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { ask, askHttp2 } from '../../stack/client.ts';
import { TOKEN } from '../../stack/test-stack.ts';
import { askOnce, bytesOf, get, statusOf } from '../raw-http1.ts';
import { openScene, type Sandbox, type Scene } from '../scene.ts';

let scene: Scene;
let locked: Sandbox;
let open: Sandbox;
let masked: Sandbox;
beforeAll(async () => {
  scene = await openScene();
  locked = await scene.restricted('locked');
  open = await scene.public('open');
  masked = await scene.public('masked', { access: { maskRequestHost: 'app.example' } });
});
beforeEach(() => scene.forget());
afterAll(() => scene?.close());

const numbered = (count: number) =>
  Object.fromEntries(Array.from({ length: count }, (_, n) => [`x-${n}`, '1']));

it.each([
  ['HTTP/1.1', ask],
  ['HTTP/2', askHttp2],
] as const)('F7: too many headers are never a fault of the gate, over %s', async (_wire, send) => {
  for (let count = 80; count <= 112; count++) {
    for (const sandbox of [locked, open, masked]) {
      const headers = { 'e2b-traffic-access-token': TOKEN, ...numbered(count) };
      const status = await send(scene.stack.http, { host: sandbox.host, headers }).then(
        (answer) => answer.status,
        () => 'reset',
      );
      expect(count < 98 ? [200] : [200, 431, 'reset'], `${sandbox.id} ${count}`).toContain(status);
    }
  }
  // A gRPC client reads the status, too.
  const refused = await send(scene.stack.http, {
    host: open.host,
    headers: { ...numbered(101), 'content-type': 'application/grpc' },
  });
  expect(refused).toMatchObject({ status: 431, headers: { 'x-sandgate-reason': 'bad_request' } });
  expect(refused.headers).not.toHaveProperty('x-sandgate-status');
});

it('F7: a head that only Envoy and the gate make too large is a 431', async () => {
  const statuses = new Set<number>();
  for (let size = 61_000; size <= 61_440; size += 20) {
    statuses.add(statusOf(await askOnce(scene.stack.http, get(open.host, [`x: ${'a'.repeat(size)}`]))));
  }
  // The sandbox's own server refuses heads of this size with the same status.
  expect([...statuses]).toEqual([431]);
});

it('F7: a target that names https over plain HTTP is a bad request, neither a bad token nor an upgrade', async () => {
  const answer = await askOnce(
    scene.stack.http,
    bytesOf([`GET https://${open.host}/ HTTP/1.1`, `Host: ${open.host}`, 'Connection: close']),
  );
  expect(statusOf(answer)).toBe(400);
  expect(answer).toContain('x-sandgate-reason: bad_request');
  expect(scene.arrived()).toBe(0);
});
