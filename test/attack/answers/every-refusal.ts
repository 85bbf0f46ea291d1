import { expect } from 'vitest';
import { type Answered, ask, askHttp2, type ClientRequest } from '../../stack/client.ts';
import { digestOf, hostOf, publicSandbox, restricted, TOKEN } from '../../stack/test-stack.ts';
import { openScene, type Scene } from '../scene.ts';
import { editStored } from '../stored-record.ts';

const NAME = 'e2b-traffic-access-token';

/** A sandbox for each kind of refusal, and the request that gets it. */
export interface Refusals {
  scene: Scene;
  /** The answers to `REFUSALS`, in their order, over HTTP/1.1 and HTTP/2. */
  answersAs(headers: Record<string, string>): Promise<Answered[][]>;
}

/** Every answer that does not come from the sandbox; the last three are Envoy's own. */
export const REFUSALS = [
  { what: 'a missing token', status: 403, host: 'locked:80', headers: {} },
  { what: 'an invalid token', status: 403, host: 'locked:80', headers: { [NAME]: 'wrong' } },
  { what: 'an unknown sandbox', status: 502, host: 'nobody:80' },
  { what: 'a paused sandbox', status: 502, host: 'asleep:80' },
  { what: 'a sandbox in transition', status: 409, host: 'waking:80' },
  { what: 'an internal path', status: 404, host: 'locked:49983', path: '/init' },
  { what: 'an unreadable policy', status: 503, host: 'broken:80' },
  { what: 'an own listener', status: 502, host: 'loop:own' },
  { what: 'a closed port', status: 502, host: 'slow:1' },
  { what: 'an upstream that breaks off', status: 502, host: 'breaking:app' },
  { what: 'a token that ends meanwhile', status: 403, host: 'brief:app', headers: { [NAME]: TOKEN } },
] as const;

export async function openRefusals(): Promise<Refusals> {
  const scene = await openScene();
  const { stack } = scene;
  const locked = await scene.restricted('locked');
  const slow = await scene.public('slow');
  slow.app.answer = () => {};
  const breaking = await scene.public('breaking');
  breaking.app.answer = (request) => void request.socket.destroy();
  const route = { address: locked.address };
  await stack.put(
    restricted('asleep', { runtime: { route, state: 'paused' } }),
    restricted('waking', { runtime: { route, state: 'transitioning' } }),
    publicSandbox('broken', { runtime: { route } }),
    publicSandbox('loop'),
  );
  editStored(stack, 'broken', (record) => ({ ...record, schema: 2 }));
  const ports: Record<string, number> = {
    'breaking:app': breaking.app.port,
    'brief:app': slow.app.port,
    'loop:own': stack.http.port,
  };

  return {
    scene,
    async answersAs(headers) {
      const expiresAt = new Date(Date.now() + 1500).toISOString();
      const tokens = [{ id: 'brief', sha256: digestOf(TOKEN), expiresAt }];
      await stack.put(
        restricted('brief', { runtime: { route: { address: slow.address } }, access: { tokens } }),
      );
      return Promise.all(
        REFUSALS.map(({ host, ...rest }) => {
          const [id, port] = host.split(':') as [string, string];
          const more = 'headers' in rest ? rest.headers : {};
          const path = 'path' in rest ? rest.path : '/';
          const request: ClientRequest = {
            host: hostOf(ports[host] ?? Number(port), id),
            path,
            headers: { ...headers, ...more },
          };
          return Promise.all([ask(stack.http, request), askHttp2(stack.http, request)]);
        }),
      );
    },
  };
}

export const BROWSER = {
  'user-agent': 'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/140.0 Safari/537.36',
  accept: 'text/html,application/xhtml+xml,*/*;q=0.8',
  'sec-fetch-mode': 'navigate',
};

/** Headers that every refusal has, and headers that none has. */
export function expectRefusalHeaders({ headers }: Answered): void {
  expect(headers).toMatchObject({
    'access-control-allow-origin': '*',
    'cache-control': 'no-store',
    // After an allow, Envoy's own answer also names what the gate allowed it by.
    vary: expect.stringMatching(/^accept, sec-fetch-mode, user-agent(,e2b-traffic-access-token)?$/),
    'x-sandgate-reason': expect.stringMatching(/^[a-z_]+$/),
  });
  for (const never of [
    'location',
    'refresh',
    'set-cookie',
    'access-control-allow-credentials',
    'server',
    'x-powered-by',
    'via',
  ]) {
    expect(headers[never]).toBeUndefined();
  }
  expect(Object.keys(headers).filter((name) => name.startsWith('x-envoy'))).toEqual([]);
}
