import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { PACKAGE_ROOT } from '../../../src/package-root.ts';
import { cleanEnv } from '../../stack/command.ts';

/** The agent as it runs inside a sandbox. Needs `dist/`, which `npm test` builds first. */
const AGENT = join(PACKAGE_ROOT, 'dist', 'local-cloud', 'agent', 'main.js');

export const TOKEN = 'agent-test-token-0123456789';
export const INIT_KEY = 'agent-test-init-key-0123456789';

export interface AgentProcess {
  readonly child: ChildProcess;
  /** `http://127.0.0.1:<port>`; empty if it listens on a socket. */
  readonly url: string;
  /** Its root folder; the home is `home/user` in it. */
  readonly root: string;
  readonly home: string;
  fetch(path: string, init?: RequestInit): Promise<Response>;
  /** Ends the agent, resolves with how it ended, and removes its folder. */
  stop(): Promise<number | null>;
}

export interface AgentOptions {
  flags?: (root: string) => string[];
  input?: Record<string, unknown>;
}

export async function startAgentProcess(options: AgentOptions = {}): Promise<AgentProcess> {
  const root = mkdtempSync(join(tmpdir(), 'sandgate-agent-'));
  const flags = options.flags?.(root) ?? ['--listen', '127.0.0.1:0'];
  const child = spawn(process.execPath, [AGENT, ...flags, '--root', root, '--stdin'], {
    cwd: root,
    env: cleanEnv({ SANDGATE_AGENT_TEST_SECRET: 'not for the sandbox' }),
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const ended = new Promise<number | null>((resolve) => child.once('exit', (code) => resolve(code)));
  child.stdin.end(JSON.stringify({ accessToken: TOKEN, initKey: INIT_KEY, ...options.input }));
  const ready = new Promise<string>((resolve, reject) => {
    createInterface({ input: child.stdout }).once('line', resolve);
    child.once('exit', (code) => reject(new Error(`the agent ended with ${code}`)));
  });
  const { listen } = JSON.parse(await ready) as { listen: string };
  const url = listen.startsWith('/') ? '' : `http://${listen}`;
  return {
    child,
    url,
    root,
    home: join(root, 'home', 'user'),
    fetch: (path, init = {}) =>
      fetch(url + path, { ...init, headers: { 'x-access-token': TOKEN, ...(init.headers as object) } }),
    async stop() {
      child.kill('SIGTERM');
      const code = await ended;
      rmSync(root, { recursive: true, force: true });
      return code;
    },
  };
}
