import type { Logger } from '#src/observe/logger.js';
import type { ProxiedSandbox } from '../node-proxy/node-proxy.ts';
import type { Sandboxes } from '../sandbox/sandboxes.ts';
import type { AgentProgram } from './agent-program.ts';
import type { Birth } from './birth.ts';
import { Entries } from './entries.ts';
import { type Entry, TEMPLATE } from './entry.ts';
import type { EntryTable } from './entry-table.ts';
import type { Policies } from './policies.ts';

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

/** Between two tries to take back a policy whose gate is away. */
const RETRY_MS = 1000;

/**
 * The life of every sandbox, each step in the order that leaves no sandbox reachable without a policy and no policy
 * without a sandbox: a policy comes last and goes first. What is started is on disk before it starts.
 * Steps throw SandgateErrors; `undefined` where there is no such sandbox (any more).
 */
export class Life {
  readonly #options: LifeOptions;
  readonly #entries: Entries;
  readonly #turns = new Turns();
  readonly #deadlines: Deadlines;
  readonly #closing = new AbortController();

  constructor(options: LifeOptions) {
    this.#options = options;
    this.#entries = new Entries(options.table);
    this.#deadlines = new Deadlines(options.now, (sandboxId) => void this.#timeOut(sandboxId));
  }

  /** Running and paused ones. */
  all(): Entry[] {
    return this.#entries.shown();
  }

  get(sandboxId: string): Entry | undefined {
    return this.#entries.getShown(sandboxId);
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
    this.#entries.add(entry);
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
      this.#entries.update(entry, { state: 'running' });
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
      this.#entries.update(entry, { endsAt });
      this.#deadlines.set(sandboxId, endsAt);
      return entry;
    });
  }

  /** `false` where it is paused already. */
  pause(sandboxId: string): Promise<Entry | false | undefined> {
    return this.#with<Entry | false>(sandboxId, async (entry) => {
      if (entry.state === 'paused') return false;
      await this.#options.policies.writeRuntime({ ...entry, state: 'paused' });
      this.#entries.update(entry, { state: 'paused' });
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
      this.#entries.update(entry, { state: 'running', endsAt, autoPause: autoPause ?? entry.autoPause });
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
      this.#entries.update(entry, change);
      return entry;
    });
  }

  /** Ends all of them. */
  async close(): Promise<void> {
    this.#closing.abort();
    this.#deadlines.clearAll();
    await Promise.all(this.#entries.ids.map((id) => this.#turns.take(id, () => this.#end(id))));
  }

  async #timeOut(sandboxId: string): Promise<void> {
    const entry = this.#entries.get(sandboxId);
    const ending = () => this.#turns.take(sandboxId, () => this.#end(sandboxId));
    const pausing = () => (entry?.autoPause ? this.pause(sandboxId) : this.kill(sandboxId));
    // Past `endsAt` the gate lets nobody in, whether or not it hears of this.
    await (entry?.state === 'ending' ? ending() : pausing()).catch(() => {
      if (!this.#closing.signal.aborted) this.#deadlines.set(sandboxId, this.#options.now() + RETRY_MS);
    });
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
    this.#entries.update(entry, { state: 'ending' });
    this.#deadlines.clear(sandboxId);
    if (await discard(entry, this.#options)) this.#entries.remove(sandboxId);
    else if (!this.#closing.signal.aborted) this.#deadlines.set(sandboxId, this.#options.now() + RETRY_MS);
  }

  #with<T>(sandboxId: string, step: (entry: Entry) => Promise<T>): Promise<T | undefined> {
    return this.#turns.take(sandboxId, async () => {
      const entry = this.get(sandboxId);
      return entry && step(entry);
    });
  }
}

type Parts = Pick<LifeOptions, 'sandboxes' | 'policies' | 'log'>;

/**
 * Ends a sandbox: its policy first, so that nobody is sent to one that is going. Resolves with whether the policy is
 * gone; where no gate answers it is to be tried again.
 */
async function discard({ sandboxId }: Entry, { sandboxes, policies, log }: Parts): Promise<boolean> {
  const taken = await policies.delete(sandboxId).then(
    () => true,
    (error) => {
      log.warn({ sandboxId, err: error }, 'policy_not_deleted');
      return false;
    },
  );
  await sandboxes.get(sandboxId)?.end();
  return taken;
}

/** One operation at a time for each sandbox, in the order they came. */
class Turns {
  readonly #last = new Map<string, Promise<unknown>>();

  take<T>(sandboxId: string, work: () => Promise<T>): Promise<T> {
    const turn = (this.#last.get(sandboxId) ?? Promise.resolve()).then(work);
    const settled = turn.catch(() => {});
    this.#last.set(sandboxId, settled);
    void settled.then(() => {
      if (this.#last.get(sandboxId) === settled) this.#last.delete(sandboxId);
    });
    return turn;
  }
}

/** Calls back for each sandbox when its time is over. Times are milliseconds since 1970. */
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
