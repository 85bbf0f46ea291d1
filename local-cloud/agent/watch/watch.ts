import { join } from 'node:path';
import type { MessageInitShape } from '@bufbuild/protobuf';
import { Names } from '../account/passwd.ts';
import { readEntry } from '../filesystem/entry.ts';
import { EventType, type FilesystemEventSchema } from '../gen/filesystem/filesystem_pb.ts';
import { internal } from '../system-error.ts';
import type { Change } from './change.ts';
import { EventQueue } from './event-queue.ts';
import { TreeWatch } from './tree-watch.ts';

export type FilesystemEvent = MessageInitShape<typeof FilesystemEventSchema>;

export interface WatchRequest {
  recursive: boolean;
  includeEntry: boolean;
}

const TYPES: Record<Change['kind'], EventType> = {
  create: EventType.CREATE,
  write: EventType.WRITE,
  remove: EventType.REMOVE,
  rename: EventType.RENAME,
  chmod: EventType.CHMOD,
};

/** One client's watch of one folder. */
export class Watch {
  readonly #path: string;
  readonly #request: WatchRequest;
  readonly #queue = new EventQueue<Change>();
  readonly #tree: TreeWatch;
  readonly #onClose: () => void;

  constructor(path: string, request: WatchRequest, onClose: () => void) {
    this.#path = path;
    this.#request = request;
    this.#onClose = onClose;
    try {
      this.#tree = new TreeWatch(path, request.recursive, (change) => this.#queue.push(change));
    } catch (error) {
      throw internal(`error adding path ${path} to watcher`, error);
    }
  }

  /** The next event, or undefined after `ms` of silence. Throws the reason of `signal`. */
  async next(ms: number, signal: AbortSignal): Promise<FilesystemEvent | undefined> {
    const change = await this.#queue.next(ms, signal);
    return change && (await this.#toEvent(change));
  }

  /** Removes and returns all waiting events. */
  drain(): Promise<FilesystemEvent[]> {
    return Promise.all(this.#queue.drain().map((change) => this.#toEvent(change)));
  }

  close(): void {
    this.#tree.close();
    this.#onClose();
  }

  /** Includes the entry if requested, unless the name no longer refers to what changed. */
  async #toEvent({ name, kind }: Change): Promise<FilesystemEvent> {
    const event = { name, type: TYPES[kind] };
    if (!this.#request.includeEntry || kind === 'remove' || kind === 'rename') return event;
    const entry = await readEntry(join(this.#path, name), new Names()).catch(() => undefined);
    return entry ? { ...event, entry } : event;
  }
}
