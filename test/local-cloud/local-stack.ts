import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import type { IncomingHttpHeaders } from 'node:http';
import { request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inject } from 'vitest';
import { type Address, parseAddress } from '../../src/address.ts';
import { HttpPolicyAdmin } from '../../src/policy-api/client/http-client.ts';
import type { PolicyAdmin } from '../../src/policy-api/policy-admin.ts';
import { identify, isAlive, type ProcessIdentity } from '../../src/state/process-identity.ts';
import { envoyBinary } from '../envoy-binary.ts';
import { cleanEnv, runProgram, SANDGATE, sandgate } from '../stack/command.ts';

/** What `npm start` runs, including the local cloud, on free ports. */
export interface LocalStack {
  /** Of `dev`. */
  readonly pid: number;
  readonly stateDir: string;
  readonly http: Address;
  readonly https: Address;
  /** Calls the control plane; `key: null` sends no key. */
  api(method: string, path: string, body?: unknown, options?: ApiOptions): Promise<ApiAnswer>;
  /** One request to the TLS ingress for any host. */
  ask(host: string, path?: string, headers?: Record<string, string>): Promise<ApiAnswer>;
  /** What `sandgate env` prints. */
  environment(): Promise<Record<string, string>>;
  /** The policy API of the first gate, which operators use. */
  readonly policies: PolicyAdmin;
  cloudPid(): number;
  /** What `dev` had printed when it was ready. */
  output(): string;
  log(): string;
  stop(): Promise<number | null>;
}

export interface ApiOptions {
  key?: string | null;
  headers?: Record<string, string>;
}

export interface ApiAnswer {
  status: number;
  headers: IncomingHttpHeaders;
  text: string;
  // biome-ignore lint/suspicious/noExplicitAny: tests state what they expect.
  json: any;
}

/** Without isolation if the machine does not allow it. */
export async function startLocalStack(
  flags: readonly string[] = inject('machine').isolation === '' ? [] : ['--isolation', 'off'],
): Promise<LocalStack> {
  const stateDir = mkdtempSync(join(tmpdir(), 'sandgate-cloud-'));
  const ports = ['--http', '127.0.0.1:0', '--https', '127.0.0.1:0', '--ops', '127.0.0.1:0'];
  const args = [SANDGATE, 'dev', '--state-dir', stateDir, ...ports, ...flags];
  const env = cleanEnv({ SANDGATE_ENVOY: envoyBinary() });
  const child = spawn(process.execPath, args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
  const exited = new Promise<number | null>((resolve) => child.once('exit', resolve));
  const output = await ready(child);
  const [http, https] = ['http', 'https'].map((scheme) =>
    parseAddress(new RegExp(`^sandgate ready .*\\b${scheme}://(\\S+)`, 'm').exec(output)![1]!),
  ) as [Address, Address];
  const ca = readFileSync(join(stateDir, 'certificates', 'ca.pem'));
  const key = readFileSync(join(stateDir, 'cloud', 'api-key'), 'utf8').trim();
  const send = (host: string, method: string, path: string, headers: Record<string, string>, body?: string) =>
    new Promise<ApiAnswer>((resolve, reject) => {
      const asked = request(
        {
          ...{ host: https.host, port: https.port, method, path, ca, agent: false },
          servername: 'api.e2b.localhost',
          headers: {
            host,
            ...headers,
            ...(body !== undefined && { 'content-length': Buffer.byteLength(body) }),
          },
        },
        (response) => {
          let text = '';
          response.setEncoding('utf8').on('data', (part: string) => {
            text += part;
          });
          response.on('error', reject);
          response.on('end', () =>
            resolve({
              status: response.statusCode ?? 0,
              headers: response.headers,
              text,
              json: parsed(text),
            }),
          );
        },
      );
      asked.on('error', reject);
      asked.end(body);
    });
  const children = () => devRun(stateDir).children;
  return {
    ...{ pid: child.pid!, stateDir, http, https },
    api(method, path, body, options = {}) {
      const headers = {
        ...(options.key !== null && { 'x-api-key': options.key ?? key }),
        ...(body !== undefined && { 'content-type': 'application/json' }),
        ...options.headers,
      };
      const text = body === undefined || typeof body === 'string' ? body : JSON.stringify(body);
      return send(`api.e2b.localhost:${https.port}`, method, path, headers, text);
    },
    ask: (host, path = '/', headers = {}) => send(host, 'GET', path, headers),
    async environment() {
      const { stdout, stderr, code } = await sandgate(['env', '--json', '--state-dir', stateDir]);
      if (code !== 0) throw new Error(stderr);
      return JSON.parse(stdout);
    },
    policies: new HttpPolicyAdmin({
      at: { path: join(stateDir, 'policy-api', 'gate-0.sock') },
      timeLimitMs: 15_000,
    }),
    cloudPid: () =>
      children()
        .map(({ pid }) => pid)
        .find(isCloud)!,
    output: () => output,
    log: () => readFileSync(join(stateDir, 'logs', 'cloud.log'), 'utf8'),
    async stop() {
      const left = children();
      child.kill('SIGTERM');
      const code = await exited;
      const alive = left.filter(isAlive).map(({ pid }) => pid);
      rmSync(stateDir, { recursive: true, force: true, maxRetries: 20 });
      if (alive.length > 0) throw new Error(`still alive: ${alive}`);
      return code;
    },
  };
}

/** Runs a program with E2B's SDK to its end; `stop` returns whether its output so far is enough. */
export async function runClient(
  stack: LocalStack,
  command: readonly string[],
  options: { env?: Record<string, string>; cwd?: string; stop?: (stdout: string) => boolean } = {},
): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const env = { ...(await stack.environment()), ...options.env };
  return runProgram(command, {
    env,
    cwd: options.cwd,
    onStart(child) {
      let stdout = '';
      child.stdout!.on('data', (text: string) => {
        stdout += text;
        if (options.stop?.(stdout)) child.kill('SIGTERM');
      });
    },
  });
}

async function ready(child: ChildProcess): Promise<string> {
  let output = '';
  await new Promise<void>((resolve, reject) => {
    const take = (text: Buffer) => {
      output += text;
      if (/^sandgate ready .*\n/m.test(output)) resolve();
    };
    child.stdout!.on('data', take);
    child.stderr!.on('data', take);
    child.once('exit', () => reject(new Error(output)));
  });
  return output;
}

function devRun(stateDir: string): { children: ProcessIdentity[] } {
  const run = join(stateDir, 'run');
  const runs = readdirSync(run)
    .filter((name) => name.endsWith('.json'))
    .map((name) => JSON.parse(readFileSync(join(run, name), 'utf8')));
  return runs.find(({ kind }) => kind === 'dev') ?? { children: [] };
}

function isCloud(pid: number): boolean {
  return (
    identify(pid) !== undefined &&
    readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('local-cloud/main.js')
  );
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
