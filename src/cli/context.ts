import type { OptionValues } from 'commander';
import type { Flags } from '../config.ts';
import { type Policies, withPolicies } from './connect.ts';
import type { Io } from './io.ts';

/** What a command works with. The program sets the options right before the action of the command runs. */
export class CommandContext {
  readonly io: Io;
  #options: OptionValues = {};

  constructor(io: Io) {
    this.io = io;
  }

  setOptions(options: OptionValues): void {
    this.#options = options;
  }

  /** Whether `--json` was given. */
  get json(): boolean {
    return this.#options.json === true;
  }

  /** The options that are settings, for `readSettings`, among the command's own. */
  get flags(): Flags {
    return this.#options;
  }

  /**
   * Opens the policies for `work`. Says on stderr how it reaches them, unless the output is JSON. A command that only
   * `reads` does not create a store: STATE_UNUSABLE if there is none.
   */
  connect<T>({ reads }: { reads: boolean }, work: (policies: Policies) => Promise<T>): Promise<T> {
    return withPolicies(this.io, this.flags, { quiet: this.json, reads }, work);
  }
}
