import { setTimeout as pause } from 'node:timers/promises';
import type { Logger } from '#src/observe/logger.js';
import type { ProxiedSandbox } from '../node-proxy/node-proxy.ts';
import type { Sandboxes } from '../sandbox/sandboxes.ts';
import type { AgentProgram } from './agent-program.ts';
import { Deadlines } from './deadlines.ts';
import { type Entry, TEMPLATE } from './entry.ts';
import type { EntryTable } from './entry-table.ts';
import type { Policies } from './policies.ts';
import { Turns } from './turns.ts';

export interface LifeOptions {
  sandboxes: Sandboxes;
  agent: AgentProgram;
  policies: Policies;
  table: EntryTable;
  agentToken(sandboxId: string): string;
  newId(): string;
  now(): number;
  log: Logger;
}

export interface Birth {
  lifeMs: number;
  secure: boolean;
  autoPause: boolean;
  allowPublicTraffic: boolean;
  maskRequestHost: string | undefined;
  metadata: Readonly<Record<string, string>>;
  envVars: Readonly<Record<string, string>>;
  network: Readonly<Record<string, unknown>> | undefined;
}

/** Between two tries to take back a policy whose gate is away. */
const RETRY_MS = 1000;

/**
 * The life of every sandbox, each step in the order that leaves no sandbox reachable without a policy and no policy
 * without a sandbox: a policy comes last and goes first. What is started is on disk before it starts.
 * Steps throw SandgateErrors; `undefined` where there is no such sandbox (any more).
 */
export class Life {
  readonly #options: LifeOptions;
  readonly #entries = new Map<string, Entry>();
  readonly #turns = new Turns();
  readonly #deadlines: Deadlines;
  readonly #closing = new AbortController();

  constructor(options: LifeOptions) {
    this.#options = options;
    this.#deadlines = new Deadlines(options.now, (sandboxId) => void this.#timeOut(sandboxId));
  }

  /** Ends what a killed predecessor left: its policies first, then processes, mounts, files. */
  async recover(): Promise<void> {
    const { sandboxes, policies, table, log } = this.#options;
    const left = table.all();
    for (const { sandboxId } of left) await policies.delete(sandboxId);
    const ended = await sandboxes.recover();
    for (const { sandboxId } of left) table.remove(sandboxId);
    if (left.length + ended.length > 0) log.warn({ sandboxes: left.length }, 'leftovers_ended');
  }

  /** Running and paused ones. */
  all(): Entry[] {
    return [...this.#entries.values()].filter(isShown);
  }

  get(sandboxId: string): Entry | undefined {
    const entry = this.#entries.get(sandboxId);
    return entry && isShown(entry) ? entry : undefined;
  }

  /** For the node proxy. */
  find(sandboxId: string): ProxiedSandbox | undefined {
    const sandbox = this.#options.sandboxes.get(sandboxId);
    const entry = this.#entries.get(sandboxId);
    if (sandbox === undefined || entry?.state !== 'running') return undefined;
    const { bridgeSocket, agentPort } = sandbox;
    return { bridgeSocket, agentPort, maskRequestHost: entry.maskRequestHost };
  }

  async create(birth: Birth): Promise<Entry> {
    const { sandboxes, agent, policies, newId, now, agentToken } = this.#options;
    const { lifeMs, envVars, ...given } = birth;
    const sandboxId = newId();
    const startedAt = now();
    const entry: Entry = { sandboxId, state: 'starting', startedAt, endsAt: startedAt + lifeMs, ...given };
    this.#save(entry);
    return this.#turns.take(sandboxId, async () => {
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
        await this.#discard(entry);
        throw error;
      }
      this.#update(entry, { state: 'running' });
      this.#deadlines.set(sandboxId, entry.endsAt);
      return entry;
    });
  }

  /** False where there is none. */
  kill(sandboxId: string): Promise<boolean> {
    return this.#with(sandboxId, async (entry) => {
      await this.#options.policies.delete(sandboxId);
      await this.#discard(entry);
      return true;
    }).then((done) => done === true);
  }

  /** `shorten: false` never brings the end nearer. A paused one is only told when it runs again. */
  extend(sandboxId: string, lifeMs: number, shorten: boolean): Promise<Entry | undefined> {
    return this.#with(sandboxId, async (entry) => {
      const asked = this.#options.now() + lifeMs;
      const endsAt = shorten ? asked : Math.max(entry.endsAt, asked);
      if (entry.state !== 'running' || endsAt === entry.endsAt) return entry;
      await this.#options.policies.writeRuntime({ ...entry, endsAt });
      this.#update(entry, { endsAt });
      this.#deadlines.set(sandboxId, endsAt);
      return entry;
    });
  }

  /** `false` where it is paused already. */
  pause(sandboxId: string): Promise<Entry | false | undefined> {
    return this.#with<Entry | false>(sandboxId, async (entry) => {
      if (entry.state === 'paused') return false;
      await this.#options.policies.writeRuntime({ ...entry, state: 'paused' });
      this.#update(entry, { state: 'paused' });
      this.#deadlines.clear(sandboxId);
      await this.#options.sandboxes.get(sandboxId)?.pause();
      return entry;
    });
  }

  /** `false` where it runs already. */
  resume(sandboxId: string, lifeMs: number, autoPause?: boolean): Promise<Entry | false | undefined> {
    return this.#with<Entry | false>(sandboxId, async (entry) => {
      if (entry.state !== 'paused') return false;
      const endsAt = this.#options.now() + lifeMs;
      await this.#options.sandboxes.get(sandboxId)?.resume();
      await this.#options.policies.writeRuntime({ ...entry, state: 'running', endsAt });
      this.#update(entry, { state: 'running', endsAt, autoPause: autoPause ?? entry.autoPause });
      this.#deadlines.set(sandboxId, endsAt);
      return entry;
    });
  }

  setNetwork(
    sandboxId: string,
    change: Partial<Pick<Entry, 'allowPublicTraffic' | 'maskRequestHost' | 'network'>>,
  ): Promise<Entry | undefined> {
    return this.#with(sandboxId, async (entry) => {
      if (change.allowPublicTraffic !== undefined) {
        await this.#options.policies.setPublic(sandboxId, change.allowPublicTraffic);
      }
      this.#update(entry, change);
      return entry;
    });
  }

  /** Ends all of them. */
  async close(): Promise<void> {
    this.#closing.abort();
    this.#deadlines.clearAll();
    await Promise.all([...this.#entries.keys()].map((id) => this.#turns.take(id, () => this.#end(id))));
  }

  async #timeOut(sandboxId: string): Promise<void> {
    const entry = this.#entries.get(sandboxId);
    const step = entry?.autoPause ? this.pause(sandboxId) : this.kill(sandboxId);
    // Past `endsAt` the gate lets nobody in, whether or not it hears of this.
    await step.catch(() => this.#deadlines.set(sandboxId, this.#options.now() + RETRY_MS));
  }

  /** Its agent ended, or was ended for its memory. */
  async #died(sandboxId: string): Promise<void> {
    if (this.get(sandboxId) === undefined) return;
    this.#options.log.warn({ sandboxId }, 'sandbox_died');
    await this.#turns.take(sandboxId, () => this.#end(sandboxId)).catch(() => {});
  }

  async #end(sandboxId: string): Promise<void> {
    const entry = this.#entries.get(sandboxId);
    if (entry !== undefined) await this.#discard(entry);
  }

  /** Until it is gone, or, where no gate answers, until this process closes: then the next start goes on. */
  async #discard(entry: Entry): Promise<void> {
    const { sandboxId } = entry;
    this.#update(entry, { state: 'ending' });
    this.#deadlines.clear(sandboxId);
    const taken = await this.#takeBack(sandboxId);
    await this.#options.sandboxes.get(sandboxId)?.end();
    if (taken) this.#forget(sandboxId);
    else void this.#keepTrying(sandboxId);
  }

  async #takeBack(sandboxId: string): Promise<boolean> {
    try {
      await this.#options.policies.delete(sandboxId);
      return true;
    } catch (error) {
      this.#options.log.warn({ sandboxId, err: error }, 'policy_not_deleted');
      return false;
    }
  }

  async #keepTrying(sandboxId: string): Promise<void> {
    const { signal } = this.#closing;
    do {
      await pause(RETRY_MS, undefined, { signal, ref: false }).catch(() => {});
      if (signal.aborted) return;
    } while (!(await this.#takeBack(sandboxId)));
    this.#forget(sandboxId);
  }

  #with<T>(sandboxId: string, step: (entry: Entry) => Promise<T>): Promise<T | undefined> {
    return this.#turns.take(sandboxId, async () => {
      const entry = this.get(sandboxId);
      return entry && step(entry);
    });
  }

  #save(entry: Entry): void {
    this.#options.table.put(entry);
    this.#entries.set(entry.sandboxId, entry);
  }

  #update(entry: Entry, change: Partial<Entry>): void {
    this.#save(Object.assign(entry, change));
  }

  #forget(sandboxId: string): void {
    this.#options.table.remove(sandboxId);
    this.#entries.delete(sandboxId);
  }
}

function isShown({ state }: Entry): boolean {
  return state === 'running' || state === 'paused';
}
