import type { Logger } from '#src/observe/logger.js';
import type { ProxiedSandbox } from '../node-proxy/node-proxy.ts';
import type { Sandboxes } from '../sandbox/sandboxes.ts';
import type { AgentProgram } from './agent-program.ts';
import type { Policies } from './policies.ts';
import { type SandboxEntry, TEMPLATE } from './sandbox-entry.ts';
import { SandboxRegistry } from './sandbox-registry.ts';
import type { SandboxTable } from './sandbox-table.ts';

export interface LifecycleOptions {
  sandboxes: Sandboxes;
  agent: AgentProgram;
  policies: Policies;
  table: SandboxTable;
  agentToken(sandboxId: string): string;
  newId(): string;
  now(): number;
  log: Logger;
}

/** What `create` is given; `SandboxEntry` is what is kept of it. */
export interface CreateOptions {
  /** How long the sandbox may run before it is paused or ended. */
  timeoutMs: number;
  secure: boolean;
  autoPause: boolean;
  allowPublicTraffic: boolean;
  maskRequestHost: string | undefined;
  metadata: Readonly<Record<string, string>>;
  envVars: Readonly<Record<string, string>>;
  network: Readonly<Record<string, unknown>> | undefined;
}

/** Wait before the deletion of a policy is tried again after no gate answered. */
const RETRY_MS = 1000;

/**
 * Creates, pauses, resumes and ends sandboxes. Each operation runs in the order that never leaves a sandbox reachable
 * without a policy, or a policy without a sandbox: the policy is written last and deleted first. A sandbox is recorded on
 * disk before it is started. Operations throw SandgateErrors, and return undefined if there is no such sandbox.
 */
export class Lifecycle {
  readonly #options: LifecycleOptions;
  readonly #registry: SandboxRegistry;
  readonly #queue = new KeyedQueue();
  readonly #deadlines: Deadlines;
  readonly #closing = new AbortController();

  constructor(options: LifecycleOptions) {
    this.#options = options;
    this.#registry = new SandboxRegistry(options.table);
    this.#deadlines = new Deadlines(options.now, (sandboxId) => void this.#timeOut(sandboxId));
  }

  /** Running and paused sandboxes. */
  all(): SandboxEntry[] {
    return this.#registry.shown();
  }

  get(sandboxId: string): SandboxEntry | undefined {
    return this.#registry.getShown(sandboxId);
  }

  /** For the node proxy. */
  find(sandboxId: string): ProxiedSandbox | undefined {
    const sandbox = this.#options.sandboxes.get(sandboxId);
    const entry = this.#registry.get(sandboxId);
    if (sandbox === undefined || entry?.state !== 'running') return undefined;
    const { bridgeSocket, agentPort } = sandbox;
    return { bridgeSocket, agentPort, maskRequestHost: entry.maskRequestHost };
  }

  async create(options: CreateOptions): Promise<SandboxEntry> {
    const { sandboxes, agent, policies, newId, now, agentToken } = this.#options;
    const { timeoutMs, envVars, ...kept } = options;
    const sandboxId = newId();
    const startedAt = now();
    const entry: SandboxEntry = {
      sandboxId,
      state: 'starting',
      startedAt,
      endsAt: startedAt + timeoutMs,
      ...kept,
    };
    this.#registry.add(entry);
    return this.#queue.run(sandboxId, async () => {
      try {
        const state = {
          ...(entry.secure && { accessToken: agentToken(sandboxId) }),
          envVars: { E2B_SANDBOX: 'true', E2B_SANDBOX_ID: sandboxId, E2B_TEMPLATE_ID: TEMPLATE, ...envVars },
          defaultUser: 'user',
        };
        const sandbox = await sandboxes.create({
          sandboxId,
          commands: (inside) => agent.commands(inside, entry.secure),
          input: agent.input(state),
        });
        void sandbox.exited.then(() => this.#died(sandboxId));
        await agent.ready(sandbox, state);
        await policies.create(entry);
        this.#closing.signal.throwIfAborted();
      } catch (error) {
        await this.#endSandbox(entry);
        throw error;
      }
      this.#registry.update(entry, { state: 'running' });
      this.#deadlines.set(sandboxId, entry.endsAt);
      return entry;
    });
  }

  /** Resolves with false if there is no such sandbox. */
  kill(sandboxId: string): Promise<boolean> {
    return this.#with(sandboxId, async (entry) => {
      await this.#options.policies.delete(sandboxId);
      await this.#endSandbox(entry);
      return true;
    }).then((done) => done === true);
  }

  /** `shorten: false` never moves the end closer. A paused sandbox has no end to move. */
  extend(sandboxId: string, timeoutMs: number, shorten: boolean): Promise<SandboxEntry | undefined> {
    return this.#with(sandboxId, async (entry) => {
      const wanted = this.#options.now() + timeoutMs;
      const endsAt = shorten ? wanted : Math.max(entry.endsAt, wanted);
      if (entry.state !== 'running' || endsAt === entry.endsAt) return entry;
      await this.#options.policies.writeRuntime({ ...entry, endsAt });
      this.#registry.update(entry, { endsAt });
      this.#deadlines.set(sandboxId, endsAt);
      return entry;
    });
  }

  /** Resolves with `false` if it is already paused. */
  pause(sandboxId: string): Promise<SandboxEntry | false | undefined> {
    return this.#with<SandboxEntry | false>(sandboxId, async (entry) => {
      if (entry.state === 'paused') return false;
      await this.#options.policies.writeRuntime({ ...entry, state: 'paused' });
      this.#registry.update(entry, { state: 'paused' });
      this.#deadlines.clear(sandboxId);
      await this.#options.sandboxes.get(sandboxId)?.pause();
      return entry;
    });
  }

  /** Resolves with `false` if it is already running. */
  resume(
    sandboxId: string,
    timeoutMs: number,
    autoPause?: boolean,
  ): Promise<SandboxEntry | false | undefined> {
    return this.#with<SandboxEntry | false>(sandboxId, async (entry) => {
      if (entry.state !== 'paused') return false;
      const endsAt = this.#options.now() + timeoutMs;
      await this.#options.sandboxes.get(sandboxId)?.resume();
      await this.#options.policies.writeRuntime({ ...entry, state: 'running', endsAt });
      this.#registry.update(entry, { state: 'running', endsAt, autoPause: autoPause ?? entry.autoPause });
      this.#deadlines.set(sandboxId, endsAt);
      return entry;
    });
  }

  setNetwork(
    sandboxId: string,
    change: Partial<Pick<SandboxEntry, 'allowPublicTraffic' | 'maskRequestHost' | 'network'>>,
  ): Promise<SandboxEntry | undefined> {
    return this.#with(sandboxId, async (entry) => {
      if (change.allowPublicTraffic !== undefined) {
        await this.#options.policies.setPublic(sandboxId, change.allowPublicTraffic);
      }
      this.#registry.update(entry, change);
      return entry;
    });
  }

  /** Ends every sandbox. */
  async close(): Promise<void> {
    this.#closing.abort();
    this.#deadlines.clearAll();
    await Promise.all(this.#registry.ids.map((id) => this.#queue.run(id, () => this.#end(id))));
  }

  async #timeOut(sandboxId: string): Promise<void> {
    const entry = this.#registry.get(sandboxId);
    const ending = () => this.#queue.run(sandboxId, () => this.#end(sandboxId));
    const pausing = () => (entry?.autoPause ? this.pause(sandboxId) : this.kill(sandboxId));
    // After `endsAt` the gate denies every request, even if this fails.
    await (entry?.state === 'ending' ? ending() : pausing()).catch(() => {
      if (!this.#closing.signal.aborted) this.#deadlines.set(sandboxId, this.#options.now() + RETRY_MS);
    });
  }

  /** The agent exited, or the kernel killed it for its memory. */
  async #died(sandboxId: string): Promise<void> {
    if (this.get(sandboxId) === undefined) return;
    this.#options.log.warn({ sandboxId }, 'sandbox_died');
    await this.#queue.run(sandboxId, () => this.#end(sandboxId)).catch(() => {});
  }

  async #end(sandboxId: string): Promise<void> {
    const entry = this.#registry.get(sandboxId);
    if (entry !== undefined) await this.#endSandbox(entry);
  }

  /** If no gate answers, tries again until this process closes; after that, the next start takes over. */
  async #endSandbox(entry: SandboxEntry): Promise<void> {
    const { sandboxId } = entry;
    this.#registry.update(entry, { state: 'ending' });
    this.#deadlines.clear(sandboxId);
    if (await endSandbox(entry, this.#options)) this.#registry.remove(sandboxId);
    else if (!this.#closing.signal.aborted) this.#deadlines.set(sandboxId, this.#options.now() + RETRY_MS);
  }

  #with<T>(sandboxId: string, step: (entry: SandboxEntry) => Promise<T>): Promise<T | undefined> {
    return this.#queue.run(sandboxId, async () => {
      const entry = this.get(sandboxId);
      return entry && step(entry);
    });
  }
}

/** Ends what a killed predecessor left: its policies first, then processes, mounts and files. Call before `create`. */
export async function recover(
  parts: Pick<LifecycleOptions, 'sandboxes' | 'policies' | 'table' | 'log'>,
): Promise<void> {
  const { sandboxes, policies, table, log } = parts;
  const leftovers = table.all();
  for (const { sandboxId } of leftovers) await policies.delete(sandboxId);
  const ended = await sandboxes.recover();
  for (const { sandboxId } of leftovers) table.remove(sandboxId);
  if (leftovers.length + ended.length > 0) log.warn({ sandboxes: leftovers.length }, 'leftovers_ended');
}

type Parts = Pick<LifecycleOptions, 'sandboxes' | 'policies' | 'log'>;

/**
 * Deletes the policy of a sandbox, so that no request is sent to it any more, and ends it. Resolves with false if the
 * policy could not be deleted, because no gate answered: try again.
 */
async function endSandbox(
  { sandboxId }: SandboxEntry,
  { sandboxes, policies, log }: Parts,
): Promise<boolean> {
  const deleted = await policies.delete(sandboxId).then(
    () => true,
    (error) => {
      log.warn({ sandboxId, err: error }, 'policy_not_deleted');
      return false;
    },
  );
  await sandboxes.get(sandboxId)?.end();
  return deleted;
}

/** Runs one operation at a time for each key, in the order in which they came. */
class KeyedQueue {
  readonly #last = new Map<string, Promise<unknown>>();

  run<T>(key: string, work: () => Promise<T>): Promise<T> {
    const result = (this.#last.get(key) ?? Promise.resolve()).then(work);
    const settled = result.catch(() => {});
    this.#last.set(key, settled);
    void settled.then(() => {
      if (this.#last.get(key) === settled) this.#last.delete(key);
    });
    return result;
  }
}

/** Calls back for each sandbox at the end of its time. Times are milliseconds since 1970. */
class Deadlines {
  readonly #timers = new Map<string, NodeJS.Timeout>();
  readonly #now: () => number;
  readonly #onEnd: (sandboxId: string) => void;

  constructor(now: () => number, onEnd: (sandboxId: string) => void) {
    this.#now = now;
    this.#onEnd = onEnd;
  }

  set(sandboxId: string, at: number): void {
    this.clear(sandboxId);
    const timer = setTimeout(() => this.#onEnd(sandboxId), Math.max(0, at - this.#now()));
    this.#timers.set(sandboxId, timer);
  }

  clear(sandboxId: string): void {
    clearTimeout(this.#timers.get(sandboxId));
    this.#timers.delete(sandboxId);
  }

  clearAll(): void {
    for (const sandboxId of this.#timers.keys()) this.clear(sandboxId);
  }
}
