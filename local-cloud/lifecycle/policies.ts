import { createHash } from 'node:crypto';
import { SandgateError } from '#src/errors.js';
import type { GateAdmin } from '../gates.ts';
import type { Entry } from './entry.ts';

export interface PoliciesOptions {
  admin: GateAdmin;
  /** Of the node proxy. */
  route: { address: string; port: number };
  trafficToken(sandboxId: string): string;
}

/** An operator's write may come between our read and our write, again and again; not this often. */
const TRIES = 20;

/** What the control plane tells the gate. All of it throws what `PolicyAdmin` throws. */
export class Policies {
  readonly #options: PoliciesOptions;

  constructor(options: PoliciesOptions) {
    this.#options = options;
  }

  async create(entry: Entry): Promise<void> {
    const { sandboxId, allowPublicTraffic } = entry;
    const sha256 = createHash('sha256').update(this.#options.trafficToken(sandboxId)).digest('hex');
    const access = { allowPublicTraffic, tokens: [{ id: 'default', sha256 }] };
    await this.#options.admin.put([{ sandboxId, runtime: this.#runtime(entry), access }], { create: true });
  }

  /** State and end, and nothing of who may in. */
  async writeRuntime(entry: Entry): Promise<void> {
    await this.#options.admin.putPart(entry.sandboxId, 'runtime', this.#runtime(entry));
  }

  /** Tokens that operators minted or revoked meanwhile stay as they are. */
  async setPublic(sandboxId: string, allowPublicTraffic: boolean): Promise<void> {
    const { admin } = this.#options;
    for (let tries = 1; ; tries++) {
      const { version, ...access } = (await admin.get(sandboxId)).access as Record<string, unknown>;
      try {
        await admin.putPart(sandboxId, 'access', { ...access, allowPublicTraffic }, String(version));
        return;
      } catch (error) {
        if (!hasCode(error, 'VERSION_CONFLICT') || tries === TRIES) throw error;
      }
    }
  }

  /** As often as you like. */
  async delete(sandboxId: string): Promise<void> {
    try {
      await this.#options.admin.delete(sandboxId);
    } catch (error) {
      if (!hasCode(error, 'SANDBOX_UNKNOWN')) throw error;
    }
  }

  #runtime({ state, endsAt, secure }: Entry): Record<string, unknown> {
    return {
      state: state === 'paused' ? 'paused' : 'running',
      route: this.#options.route,
      // Without a token of its own the agent is guarded like every port.
      ...(secure && { agent: 'self-authenticating' }),
      // A paused sandbox has no end; it is not reachable anyway.
      ...(state !== 'paused' && { endsAt: new Date(endsAt).toISOString() }),
    };
  }
}

function hasCode(error: unknown, code: SandgateError['code']): boolean {
  return error instanceof SandgateError && error.code === code;
}
