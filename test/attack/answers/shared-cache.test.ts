import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Answered, ask, askHttp2 } from '../../stack/client.ts';
import { TOKEN } from '../../stack/test-stack.ts';
import { openScene, type Sandbox, type Scene } from '../scene.ts';

let scene: Scene;
let open: Sandbox;
let locked: Sandbox;
beforeAll(async () => {
  scene = await openScene();
  open = await scene.public('open');
  locked = await scene.restricted('locked');
  for (const { app } of [open, locked]) {
    // What invites a shared cache to keep an answer.
    app.answer = (_request, response) => {
      response.writeHead(200, { 'cache-control': 'public, max-age=60', vary: 'Accept-Encoding' });
      response.end('kept');
    };
  }
});
afterAll(() => scene?.close());

const TOKEN_HEADER = { 'e2b-traffic-access-token': TOKEN };
const routed = ({ id, port }: { id: string; port: number }) => ({
  'e2b-sandbox-id': id,
  'e2b-sandbox-port': String(port),
});
const SHARED = 'sandbox.e2b.localhost';

/** The names in all `vary` headers of an answer, in lower case. */
const variesBy = ({ headers }: Answered) =>
  String(headers.vary ?? '')
    .toLowerCase()
    .split(/,\s*/)
    .sort();

describe.each([ask, askHttp2])('C16: a shared cache in front of Envoy learns (%o)', (send) => {
  it('that an answer to a token is only for that token', async () => {
    const answer = await send(scene.stack.http, { host: locked.host, headers: TOKEN_HEADER });
    expect(answer.body).toBe('kept');
    expect(variesBy(answer)).toEqual(['accept-encoding', 'e2b-traffic-access-token']);
  });

  it('that an answer at a shared host is only for that sandbox and port', async () => {
    const toOpen = await send(scene.stack.http, {
      host: SHARED,
      headers: routed({ id: 'open', port: open.app.port }),
    });
    expect(variesBy(toOpen)).toEqual(['accept-encoding', 'e2b-sandbox-id', 'e2b-sandbox-port']);
    const headers = { ...TOKEN_HEADER, ...routed({ id: 'locked', port: locked.app.port }) };
    const toLocked = await send(scene.stack.http, { host: SHARED, headers });
    expect(variesBy(toLocked)).toEqual([
      'accept-encoding',
      'e2b-sandbox-id',
      'e2b-sandbox-port',
      'e2b-traffic-access-token',
    ]);
  });

  it('nothing about public answers at their own host, whatever the client sends', async () => {
    const headers = { ...TOKEN_HEADER, ...routed({ id: 'locked', port: 1 }) };
    const answer = await send(scene.stack.http, { host: open.host, headers });
    expect(variesBy(answer)).toEqual(['accept-encoding']);
  });
});
