import { request as httpRequest } from 'node:http';
import { dirname, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { SandgateError } from '#src/errors.js';
import { PACKAGE_ROOT } from '#src/package-root.js';
import { dial } from '../node-proxy/dial.ts';
import type { Inside, Sandbox, SandboxCommands } from '../sandbox/sandbox.ts';

const OWN = join(PACKAGE_ROOT, 'dist', 'local-cloud', 'agent');
const READY_WITHIN_MS = 15_000;
const BETWEEN_TRIES_MS = 50;
const ANSWER_WITHIN_MS = 5000;

/** What an agent must know before it serves anybody. */
export interface AgentState {
  /** Absent: it asks for none. */
  accessToken?: string;
  envVars: Readonly<Record<string, string>>;
  defaultUser: string;
}

/** The program in each sandbox that E2B's SDKs talk to: ours, or another one with the same interface. */
export class AgentProgram {
  readonly #other: string | undefined;

  /** Absolute path of another one, E2B's own for instance. */
  constructor(other: string | undefined) {
    this.#other = other;
  }

  /** Host paths that it needs to see, beside the system's folders. */
  get files(): string[] {
    const ours = ['dist', 'node_modules', 'package.json'].map((name) => join(PACKAGE_ROOT, name));
    return [...ours, dirname(process.execPath), ...(this.#other === undefined ? [] : [dirname(this.#other)])];
  }

  commands(inside: Inside, secure: boolean): SandboxCommands {
    const { agentPort, bridgeSocket, root, home } = inside;
    if (this.#other !== undefined) {
      const bridge = [process.execPath, join(OWN, 'port-bridge', 'main.js'), bridgeSocket];
      return { bridge, agent: [this.#other, '-port', String(agentPort)] };
    }
    const flags = { listen: `127.0.0.1:${agentPort}`, bridge: bridgeSocket, root, home };
    const given = Object.entries(flags).flatMap(([name, value]) => [`--${name}`, value]);
    const agent = [process.execPath, join(OWN, 'main.js'), '--stdin', ...given];
    return { agent: secure ? agent : [...agent, '--open'] };
  }

  /** On its standard input: no `ps` and no `/proc` shows it. */
  input(state: AgentState): string {
    return this.#other === undefined ? JSON.stringify(state) : '';
  }

  /** Waits until it serves; another one than ours is told its state then, as E2B does. Throws SANDBOX_FAILED. */
  async ready(sandbox: Sandbox, state: AgentState): Promise<void> {
    const late = AbortSignal.timeout(READY_WITHIN_MS);
    while ((await ask(sandbox, 'GET', '/health', undefined, late)) !== 204) {
      await pause(BETWEEN_TRIES_MS, undefined, { signal: late }).catch(() => {});
      if (late.aborted) throw failed(sandbox.sandboxId, `did not answer within ${READY_WITHIN_MS / 1000} s`);
    }
    if (this.#other === undefined) return;
    const status = await ask(sandbox, 'POST', '/init', JSON.stringify(state), late);
    if (status !== 204) throw failed(sandbox.sandboxId, `did not take its initial state (${status})`);
  }
}

/** The status, or 0 where there was no answer. */
async function ask(
  sandbox: Sandbox,
  method: string,
  path: string,
  body: string | undefined,
  late: AbortSignal,
): Promise<number> {
  const dialled = await dial(sandbox.bridgeSocket, sandbox.agentPort, late);
  if (dialled.kind !== 'open') return 0;
  return new Promise((resolve) => {
    const headers =
      body === undefined ? {} : { 'content-type': 'application/json', 'content-length': body.length };
    const asked = httpRequest(
      { method, path, headers, timeout: ANSWER_WITHIN_MS, createConnection: () => dialled.socket },
      (answer) => {
        answer.resume();
        resolve(answer.statusCode ?? 0);
      },
    );
    asked.on('timeout', () => asked.destroy());
    asked.on('error', () => resolve(0));
    asked.end(body);
  });
}

function failed(sandboxId: string, why: string): SandgateError {
  return new SandgateError('SANDBOX_FAILED', `the agent of sandbox ${sandboxId} ${why}`);
}
