import { readFileSync } from 'node:fs';
import { type IncomingHttpHeaders, type RequestOptions, request } from 'node:http';
import { join } from 'node:path';
import { type BootstrapSettings, loadBundledConfig, renderBootstrap } from '../../src/envoy/bootstrap.ts';
import { type EnvoyInFolder, startEnvoyInFolder } from '../stack/envoy-in-folder.ts';

export interface Reply {
  status: number;
  headers: IncomingHttpHeaders;
  body: string;
}

/** A real Envoy with the bundled config, a plain listener on a free port, and its own folder. */
export interface RunningEnvoy extends EnvoyInFolder {
  /** Path of the socket of its gate. */
  gateSocket: string;
  port: number;
  get(headers?: Record<string, string>, over?: { method?: string; body?: string }): Promise<Reply>;
  accessLog(): string;
  /** The value of a counter or gauge of Envoy. */
  stat(name: string): Promise<number>;
}

/** `settings`: in addition to the plain listener. `edit`: makes the last change to the config, with the folder for files. */
export async function startRunningEnvoy(
  settings: Partial<BootstrapSettings> = {},
  edit: (config: string, folder: string) => string = (config) => config,
): Promise<RunningEnvoy> {
  const bundled = await loadBundledConfig();
  const running = await startEnvoyInFolder((folder) => {
    const config = renderBootstrap(bundled, {
      http: [{ host: '127.0.0.1', port: 0 }],
      https: [],
      gates: [{ path: join(folder, 'gate.sock') }],
      admin: { path: join(folder, 'admin.sock') },
      ...settings,
    });
    return edit(config, folder);
  });
  const { envoy, folder } = running;
  const inFolder = (name: string) => join(folder, name);
  const port = envoy.addresses.http[0]!.port;
  return {
    ...running,
    gateSocket: inFolder('gate.sock'),
    port,
    get: (headers = {}, over = {}) => ask(port, headers, over),
    stat: async (name) => {
      const path = `/stats?filter=^${name}$`;
      const { body } = await read({ socketPath: inFolder('admin.sock'), path });
      return Number(body.split(': ')[1] ?? Number.NaN);
    },
    accessLog: () => readFileSync(inFolder('access.log'), 'utf8'),
  };
}

function ask(
  port: number,
  headers: Record<string, string>,
  { method = 'GET', body = '' }: { method?: string; body?: string },
): Promise<Reply> {
  const host = '8080-abc.e2b.localhost';
  return read({ host: '127.0.0.1', port, path: '/x?secret=1', method, headers: { host, ...headers } }, body);
}

function read(options: RequestOptions, sent = ''): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const asked = request({ ...options, agent: false }, (response) => {
      let body = '';
      response.setEncoding('utf8');
      response.on('data', (part: string) => {
        body += part;
      });
      response.on('error', reject);
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body }),
      );
    });
    asked.on('error', reject);
    asked.end(sent);
  });
}
