import { randomBytes } from 'node:crypto';
import { stat, statfs } from 'node:fs/promises';
import { Code, ConnectError } from '@connectrpc/connect';
import { failure, internal, isMissing } from '../system-error.ts';
import { type FilesystemEvent, type WatchRequest as FolderRequest, Watch } from './watch.ts';

/** Without `allowNetworkMounts`, a folder on a network mount is refused. */
export type WatchRequest = FolderRequest & { allowNetworkMounts: boolean };

const MOST_WATCHERS = 256;
/** NFS, CIFS, SMB, SMB2, FUSE: inotify does not see changes by other machines. */
const NETWORK_MOUNTS = new Set([0x6969, 0xff534d42, 0x517b, 0xfe534d42, 0x65735546]);

/** Every watch of the sandbox, both streaming and polled ones. */
export class Watchers {
  readonly #named = new Map<string, Watch>();
  #open = 0;

  /** The watch is active from the moment this resolves until it is closed. */
  async open(path: string, request: WatchRequest): Promise<Watch> {
    await mustBeWatchable(path, request.allowNetworkMounts);
    if (this.#open >= MOST_WATCHERS) {
      throw new ConnectError(`more than ${MOST_WATCHERS} watchers in this sandbox`, Code.ResourceExhausted);
    }
    const watch = new Watch(path, request, () => {
      this.#open -= 1;
    });
    this.#open += 1;
    return watch;
  }

  async create(path: string, request: WatchRequest): Promise<string> {
    const id = `w${randomBytes(10).toString('hex')}`;
    this.#named.set(id, await this.open(path, request));
    return id;
  }

  /** The events since the last call. */
  drain(id: string): Promise<FilesystemEvent[]> {
    return this.#find(id).drain();
  }

  remove(id: string): void {
    this.#find(id).close();
    this.#named.delete(id);
  }

  #find(id: string): Watch {
    const found = this.#named.get(id);
    if (!found) throw new ConnectError(`watcher with id ${id} not found`, Code.NotFound);
    return found;
  }
}

async function mustBeWatchable(path: string, networkToo: boolean): Promise<void> {
  const found = await stat(path).catch((error) => {
    throw isMissing(error)
      ? failure(Code.NotFound, `path ${path} not found`, error)
      : internal(`error statting path ${path}`, error);
  });
  if (!found.isDirectory()) throw new ConnectError(`path ${path} not a directory`, Code.InvalidArgument);
  const { type } = await statfs(path);
  if (!networkToo && NETWORK_MOUNTS.has(type)) {
    throw new ConnectError(`cannot watch path on network filesystem: ${path}`, Code.InvalidArgument);
  }
}
