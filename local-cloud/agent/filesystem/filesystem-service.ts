import { rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { Code, ConnectError, type HandlerContext, type ServiceImpl } from '@connectrpc/connect';
import type { Account } from '../account/accounts.ts';
import { Names } from '../account/passwd.ts';
import type { Filesystem } from '../gen/filesystem/filesystem_pb.ts';
import { expandPath } from '../paths.ts';
import { keepaliveMs } from '../process/request-times.ts';
import type { SandboxDefaults } from '../sandbox-defaults.ts';
import { failure, internal, isMissing } from '../system-error.ts';
import type { Watchers } from '../watch/watchers.ts';
import { readEntry } from './entry.ts';
import { ensureFolders } from './folders.ts';
import { listFolder } from './listing.ts';

export type AccountOf = (context: HandlerContext) => Account;

/** envd's `filesystem.Filesystem`. */
export function filesystemService(
  watchers: Watchers,
  defaults: SandboxDefaults,
  accountOf: AccountOf,
): ServiceImpl<typeof Filesystem> {
  const expand = (path: string, account: Account) => expandPath(path, account, defaults.workdir);
  const locate = (request: { path: string }, context: HandlerContext) =>
    expand(request.path, accountOf(context));

  return {
    stat: async (request, context) => ({ entry: await readEntry(locate(request, context), new Names()) }),

    listDir: async (request, context) => ({
      entries: await listFolder(locate(request, context), request.depth || 1, new Names()),
    }),

    async makeDir(request, context) {
      const account = accountOf(context);
      const path = expand(request.path, account);
      const found = await stat(path).catch((error) => {
        if (isMissing(error)) return undefined;
        throw internal('error getting file info', error);
      });
      if (found?.isDirectory())
        throw new ConnectError(`directory already exists: ${path}`, Code.AlreadyExists);
      if (found) {
        throw new ConnectError(
          `path already exists but it is not a directory: ${path}`,
          Code.InvalidArgument,
        );
      }
      await ensureFolders(path, account);
      return { entry: await readEntry(path, new Names()) };
    },

    async move(request, context) {
      const account = accountOf(context);
      const source = expand(request.source, account);
      const destination = expand(request.destination, account);
      await ensureFolders(dirname(destination), account);
      await rename(source, destination).catch((error) => {
        throw isMissing(error)
          ? failure(Code.NotFound, 'source file not found', error)
          : internal('error renaming', error);
      });
      return { entry: await readEntry(destination, new Names()) };
    },

    async remove(request, context) {
      const path = locate(request, context);
      // Without isolation, this would be the machine's root.
      if (path === '/') throw new ConnectError('the root folder cannot be removed', Code.InvalidArgument);
      await rm(path, { recursive: true, force: true }).catch((error) => {
        throw internal('error removing file or directory', error);
      });
      return {};
    },

    async *watchDir(request, context) {
      const watch = await watchers.open(locate(request, context), request);
      const silenceMs = keepaliveMs(context.requestHeader);
      try {
        yield { event: { case: 'start', value: {} } };
        while (true) {
          const event = await watch.next(silenceMs, context.signal);
          yield event
            ? { event: { case: 'filesystem', value: event } }
            : { event: { case: 'keepalive', value: {} } };
        }
      } finally {
        watch.close();
      }
    },

    createWatcher: async (request, context) => ({
      watcherId: await watchers.create(locate(request, context), request),
    }),

    getWatcherEvents: async (request) => ({ events: await watchers.drain(request.watcherId) }),

    removeWatcher(request) {
      watchers.remove(request.watcherId);
      return {};
    },
  };
}
