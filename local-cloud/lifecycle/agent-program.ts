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

/** What an agent must know before it serves requests. */
export interface AgentState {
  /** Absent: the agent requires no token. */
  accessToken?: string;
  envVars: Readonly<Record<string, string>>;
  defaultUser: string;
}

/** The program in each sandbox that E2B's SDKs talk to: our agent, or another one with the same interface. */
export class AgentProgram {
  readonly #other: string | undefined;

  /** `other`: absolute path of another agent, such as E2B's own. */
  constructor(other: string | undefined) {
    this.#other = other;
  }

  /** Host paths that the agent needs in addition to the system's folders. */
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

  /** What to send on standard input, which neither `ps` nor `/proc` shows. */
  input(state: AgentState): string {
    return this.#other === undefined ? JSON.stringify(state) : '';
  }

  /** Waits until the agent serves. An agent that is not ours then gets its state, as from E2B. Throws SANDBOX_FAILED. */
  async ready(sandbox: Sandbox, state: AgentState): Promise<void> {
    const late = AbortSignal.timeout(READY_WITHIN_MS);
    while ((await statusOf(sandbox, 'GET', '/health', undefined, late)) !== 204) {
      await pause(BETWEEN_TRIES_MS, undefined, { signal: late }).catch(() => {});
      if (late.aborted) throw failed(sandbox.sandboxId, `did not answer within ${READY_WITHIN_MS / 1000} s`);
    }
    if (this.#other === undefined) return;
    const status = await statusOf(sandbox, 'POST', '/init', JSON.stringify(state), late);
    if (status !== 204) throw failed(sandbox.sandboxId, `did not take its initial state (${status})`);
  }
}

/** Resolves with the status of the response, or 0 if there was none. */
async function statusOf(
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
    const request = httpRequest(
      { method, path, headers, timeout: ANSWER_WITHIN_MS, createConnection: () => dialled.socket },
      (response) => {
        response.resume();
        resolve(response.statusCode ?? 0);
      },
    );
    request.on('timeout', () => request.destroy());
    request.on('error', () => resolve(0));
    request.end(body);
  });
}

function failed(sandboxId: string, why: string): SandgateError {
  return new SandgateError('SANDBOX_FAILED', `the agent of sandbox ${sandboxId} ${why}`);
}
