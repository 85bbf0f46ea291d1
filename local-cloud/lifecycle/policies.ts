import { createHash } from 'node:crypto';
import { SandgateError } from '#src/errors.js';
import { type RuntimePut, unreadPart } from '#src/policy/record.js';
import type { GateAdmin } from '../gates.ts';
import type { SandboxEntry } from './sandbox-entry.ts';

export interface PoliciesOptions {
  admin: GateAdmin;
  /** Where the node proxy listens. */
  route: { address: string; port: number };
  trafficToken(sandboxId: string): string;
}

/** How often an operator's write may come between our read and our write before we give up. */
const TRIES = 20;

/** The policies that the control plane writes. Every method throws what `PolicyAdmin` throws. */
export class Policies {
  readonly #options: PoliciesOptions;

  constructor(options: PoliciesOptions) {
    this.#options = options;
  }

  async create(entry: SandboxEntry): Promise<void> {
    const { sandboxId, allowPublicTraffic } = entry;
    const sha256 = createHash('sha256').update(this.#options.trafficToken(sandboxId)).digest('hex');
    const access = { allowPublicTraffic, tokens: [{ id: 'default', sha256 }] };
    await this.#options.admin.put([{ sandboxId, runtime: this.#runtime(entry), access }], { create: true });
  }

  /** Writes state and end time; leaves access as it is. */
  async writeRuntime(entry: SandboxEntry): Promise<void> {
    await this.#options.admin.putPart(entry.sandboxId, 'runtime', this.#runtime(entry));
  }

  /** Keeps the tokens that operators have minted or revoked meanwhile. */
  async setPublic(sandboxId: string, allowPublicTraffic: boolean): Promise<void> {
    const { admin } = this.#options;
    for (let tries = 1; ; tries++) {
      const { version, ...access } = unreadPart(await admin.get(sandboxId), 'access');
      try {
        await admin.putPart(sandboxId, 'access', { ...access, allowPublicTraffic }, String(version));
        return;
      } catch (error) {
        if (!hasCode(error, 'VERSION_CONFLICT') || tries === TRIES) throw error;
      }
    }
  }

  /** Succeeds if there is no policy. */
  async delete(sandboxId: string): Promise<void> {
    try {
      await this.#options.admin.delete(sandboxId);
    } catch (error) {
      if (!hasCode(error, 'SANDBOX_UNKNOWN')) throw error;
    }
  }

  #runtime({ state, endsAt, secure }: SandboxEntry): RuntimePut {
    return {
      state: state === 'paused' ? 'paused' : 'running',
      route: this.#options.route,
      // An agent without a token of its own is protected like every other port.
      ...(secure && { agent: 'self-authenticating' }),
      // A paused sandbox has no end; it cannot be reached anyway.
      ...(state !== 'paused' && { endsAt: new Date(endsAt).toISOString() }),
    };
  }
}

function hasCode(error: unknown, code: SandgateError['code']): boolean {
  return error instanceof SandgateError && error.code === code;
}
