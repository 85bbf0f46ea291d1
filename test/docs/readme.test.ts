import { type ChildProcess, spawn } from 'node:child_process';
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { packagesStamp } from '../../scripts/prepare.mjs';
import { PACKAGE_ROOT } from '../../src/package-root.ts';
import { plainTerminal } from '../dev/plain-terminal.ts';
import { envoyBinary } from '../envoy-binary.ts';
import { cleanEnv } from '../stack/command.ts';

const README = readFileSync(`${PACKAGE_ROOT}README.md`, 'utf8');
const FENCED = [...README.matchAll(/^```(\w*)\n([\s\S]*?)^```$/gm)];
const fenced = (language: string) =>
  FENCED.flatMap(([, found, text = '']) => (found === language ? [text] : []));
const [START = '', SERVER = '', PUT_AND_ASK = '', SDK = '', ...MORE] = fenced('sh');

/** Replaces the README's ports: 0 for listeners, and then the port that each of them got. */
const ANY_PORT = { SANDGATE_HTTP: '127.0.0.1:0', SANDGATE_HTTPS: '127.0.0.1:0', SANDGATE_OPS: '127.0.0.1:0' };
const onAnyPort = (server: string) => server.replace('http.server 8000', 'http.server 0');
const onPorts = (text: string, server: string, ingress: string) =>
  text.replaceAll('http://8000-', `http://${server}-`).replaceAll(':3002', `:${ingress}`);

let clone: string;
const terminals: Terminal[] = [];

beforeAll(() => {
  clone = mkdtempSync(join(tmpdir(), 'sandgate-readme-'));
  makeClone();
});

afterAll(async () => {
  for (const terminal of terminals) await terminal.interrupt();
  rmSync(clone, { recursive: true, force: true, maxRetries: 20 });
});

/** A copy of this checkout with its packages installed, but without `dist/` and the state folder. */
function makeClone(): void {
  for (const name of [
    'package.json',
    'package-lock.json',
    'tsconfig.json',
    'tsconfig.build.json',
    'tsconfig.local-cloud.json',
    'bin',
    'client',
    'docs',
    'envoy',
    'examples',
    'local-cloud',
    'proto',
    'scripts',
    'src',
  ])
    cpSync(join(PACKAGE_ROOT, name), join(clone, name), { recursive: true });
  // Copied, not linked, because sandboxes of the local cloud see only this folder. The largest packages are only for
  // tests and plots.
  const packages = join(clone, 'node_modules');
  const unused = ['@biomejs', 'echarts', 'zrender', '@rolldown'].map((name) =>
    join(PACKAGE_ROOT, 'node_modules', name),
  );
  const filter = (path: string) => !unused.includes(path);
  cpSync(join(PACKAGE_ROOT, 'node_modules'), packages, { recursive: true, verbatimSymlinks: true, filter });
  // Instead of the registries.
  mkdirSync(join(PACKAGE_ROOT, '.cache', 'sdk'), { recursive: true });
  mkdirSync(join(clone, '.cache'));
  symlinkSync(join(PACKAGE_ROOT, '.cache', 'sdk'), join(clone, '.cache', 'sdk'));
  writeFileSync(join(packages, '.sandgate-stamp'), packagesStamp());
}

/** A terminal in the clone: one shell, with Ctrl-C for everything that runs in it. */
class Terminal {
  output = '';
  readonly #child: ChildProcess;
  readonly #ended: Promise<number | NodeJS.Signals>;

  constructor(commands: string) {
    const env = cleanEnv({
      ...plainTerminal(clone),
      ...ANY_PORT,
      SANDGATE_ENVOY: envoyBinary(),
      PYTHONUNBUFFERED: '1',
    });
    this.#child = spawn('bash', ['-c', commands], {
      cwd: clone,
      env,
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const note = (chunk: Buffer) => {
      this.output += chunk;
    };
    this.#child.stdout!.on('data', note);
    this.#child.stderr!.on('data', note);
    this.#ended = new Promise((resolve) =>
      this.#child.once('close', (code, signal) => resolve(signal ?? code ?? 0)),
    );
    terminals.push(this);
  }

  async shows(expected: RegExp): Promise<RegExpExecArray> {
    await expect.poll(() => this.output, { timeout: 90_000 }).toMatch(expected);
    return expected.exec(this.output)!;
  }

  ended(): Promise<number | NodeJS.Signals> {
    return this.#ended;
  }

  interrupt(): Promise<number | NodeJS.Signals> {
    if (this.#child.exitCode === null && this.#child.signalCode === null)
      process.kill(-this.#child.pid!, 'SIGINT');
    return this.#ended;
  }
}

it('every command of the README does what it says, typed as it stands there', {
  timeout: 300_000,
}, async () => {
  expect(MORE).toEqual([]);

  const stack = new Terminal(START);
  const server = new Terminal(onAnyPort(SERVER));
  const [, ingress] = await stack.shows(/^sandgate ready http:\/\/127\.0\.0\.1:(\d+) /m);
  const [banner = ''] = fenced('');
  for (const label of banner.match(/^ {2}[a-z]+ {2,}/gm)!) expect(stack.output).toContain(label);
  expect(stack.output).toMatch(/^ {2}domains {3}e2b\.localhost$/m);
  expect(stack.output).toMatch(/^ {2}envoy {5}1\.\d+\.\d+, asking 2 gates$/m);

  const [, port] = await server.shows(/ port (\d+) /);

  const sdk = new Terminal(SDK);
  const asking = new Terminal(onPorts(PUT_AND_ASK, port!, ingress!));
  expect(await asking.ended()).toBe(0);
  const [denied = '', allowed = ''] = asking.output.split('HTTP/1.1 200');
  const [denial = ''] = fenced('json');
  expect(denied).toContain('HTTP/1.1 403 Forbidden');
  expect(denied).toContain(denial.trim());
  expect(allowed).toContain('Directory listing for /');
  expect(allowed).toContain('policies.md');
  expect(server.output.match(/"GET \/ /g)).toHaveLength(1);

  expect(await sdk.ended(), sdk.output).toBe(0);
  expect(sdk.output).toContain('status 403\nstatus 200\n');

  expect(await stack.interrupt()).toBe(0);
  expect(readdirSync(join(clone, '.sandgate', 'run'))).toEqual([]);
});
