import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { TOKEN } from '../../stack/test-stack.ts';
import { askOnce, bytesOf, get, statusOf } from '../raw-http1.ts';
import { askRawHttp2 } from '../raw-http2.ts';
import { openScene, type Sandbox, type Scene } from '../scene.ts';

let scene: Scene;
let locked: Sandbox;
let open: Sandbox;
beforeAll(async () => {
  scene = await openScene();
  locked = await scene.restricted('locked');
  open = await scene.public('open');
});
beforeEach(() => scene.forget());
afterAll(() => scene?.close());

const NAME = 'e2b-traffic-access-token';
const send = (bytes: string) => askOnce(scene.stack.http, bytes);

describe('a token in another place', () => {
  const places = [
    `e2b_traffic_access_token: ${TOKEN}`,
    `E2B-Traffic_Access-Token: ${TOKEN}`,
    `x-${NAME}: ${TOKEN}`,
    `${NAME}-: ${TOKEN}`,
    `Authorization: Bearer ${TOKEN}`,
    `Cookie: ${NAME}=${TOKEN}`,
    `X-Access-Token: ${TOKEN}`,
    `Proxy-Authorization: Bearer ${TOKEN}`,
    `X-Forwarded-E2b-Traffic-Access-Token: ${TOKEN}`,
    `Sec-WebSocket-Protocol: ${TOKEN}`,
  ];
  it.each(places)('opens nothing: %s', async (line) => {
    expect(statusOf(await send(get(locked.host, [line], `/?${NAME}=${TOKEN}`)))).toBe(403);
    expect(
      statusOf(
        await send(get('localhost', [line, 'E2b_Sandbox_Id: open', `E2b_Sandbox_Port: ${open.app.port}`])),
      ),
    ).toBe(400);
    expect(scene.arrived()).toBe(0);
  });

  it('opens nothing as a trailer, and does not arrive as one', async () => {
    const trailers = [
      [NAME, TOKEN],
      ['e2b-sandbox-id', 'other'],
      ['x-sandgate-reason', 'a'],
      ['x-forwarded-host', 'a'],
    ] as const;
    const chunks = `2\r\nhi\r\n0\r\n${trailers.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`;
    const seen: string[][] = [];
    open.app.answer = (request, response) => {
      seen.push(request.rawTrailers);
      response.end('hello');
    };
    const post = (host: string) =>
      bytesOf(['POST / HTTP/1.1', `Host: ${host}`, 'Transfer-Encoding: chunked', `Trailer: ${NAME}`], chunks);
    expect([statusOf(await send(post(locked.host))), statusOf(await send(post(open.host)))]).toEqual([
      403, 200,
    ]);
    const pseudo = (host: string) =>
      [
        [':method', 'POST'],
        [':path', '/'],
        [':scheme', 'http'],
        [':authority', host],
      ] as const;
    const refused = await askRawHttp2(scene.stack.http, pseudo(locked.host), { body: 'hi', trailers });
    expect(refused.body).toContain('is missing');
    expect((await askRawHttp2(scene.stack.http, pseudo(open.host), { body: 'hi', trailers })).body).toBe(
      'hello',
    );
    expect(seen).toEqual([[], []]);
    expect(scene.arrived()).toBe(2);
  });
});
