import { SandgateError } from '../../src/errors.ts';
import { ChangeFeed } from '../../src/policy/change-feed.ts';
import type { Stamp } from '../../src/policy/clock.ts';
import type { UnreadRecord } from '../../src/policy/record.ts';
import type { ChangeListener, PolicyStore } from '../../src/policy/store.ts';
import { EPOCH } from './sample.ts';

type Answer = () => UnreadRecord | undefined;

/** A store whose reads the test answers, in any order, or never. */
export class ScriptedStore implements PolicyStore {
  readonly kind = 'scripted';
  readonly records = new Map<string, UnreadRecord>();
  readonly feed = new ChangeFeed({ epoch: EPOCH, sequence: 0 });
  /** Ids in the order of their reads. */
  readonly reads: string[] = [];
  /** Reads that wait for the test, each with the record at the time when it began. */
  readonly pending: { id: string; answer(how?: Answer): void }[] = [];
  /** `held`: reads wait in `pending`. */
  mode: 'open' | 'held' | 'down' = 'open';
  delivered: Stamp | undefined;

  async read(id: string): Promise<UnreadRecord | undefined> {
    this.reads.push(id);
    const seen = this.records.get(id);
    if (this.mode === 'down') throw new SandgateError('STORE_UNAVAILABLE', 'down');
    if (this.mode === 'open') return seen;
    return new Promise((resolve, reject) => {
      const answer = (how: Answer = () => seen) => {
        try {
          resolve(how());
        } catch (error) {
          reject(error);
        }
      };
      this.pending.push({ id, answer });
    });
  }

  subscribe(listener: ChangeListener): () => void {
    return this.feed.subscribe(listener);
  }

  position() {
    return this.feed.position;
  }

  deliveredUntil() {
    return this.delivered;
  }

  write = async () => Promise.reject(new Error('not scripted'));
  delete = async () => Promise.reject(new Error('not scripted'));
  list = async () => [];
  fault = () => undefined;
  unusable = () => undefined;
  close = async () => {};
}
