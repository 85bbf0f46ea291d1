import { randomBytes } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { connectNodeAdapter } from '@connectrpc/connect-node';
import { Access } from './access.ts';
import { Accounts, isMapped, requestAccount } from './account/accounts.ts';
import { readPasswd } from './account/passwd.ts';
import { filesystemService } from './filesystem/filesystem-service.ts';
import { Filesystem } from './gen/filesystem/filesystem_pb.ts';
import { Process } from './gen/process/process_pb.ts';
import { sendError } from './http/answer.ts';
import { createHttpListener } from './http/listener.ts';
import type { NodeResponse } from './http/node-messages.ts';
import { createRoutes } from './http/routes.ts';
import { type ListenAddress, startListening } from './listening.ts';
import { startPortBridge } from './port-bridge/port-bridge.ts';
import { endAll } from './process/end-all.ts';
import { Launcher } from './process/launcher.ts';
import { processService } from './process/process-service.ts';
import { ProcessTable } from './process/process-table.ts';
import { isRealTimeout } from './process/request-times.ts';
import { SandboxDefaults } from './sandbox-defaults.ts';
import type { AgentSettings } from './settings.ts';
import { Watchers } from './watch/watchers.ts';

const LARGEST_MESSAGE = 64 << 20;

export interface Agent {
  readonly address: ListenAddress;
  /** Ends every process of the sandbox: SIGTERM, then SIGKILL after `graceMs`. */
  stop(graceMs: number): Promise<void>;
}

/** The agent's composition root. */
export async function startAgent(settings: AgentSettings): Promise<Agent> {
  const { start, home, root } = settings;
  await mkdir(home, { recursive: true });
  const mark = ['SANDGATE_AGENT_MARK', randomBytes(12).toString('hex')] as const;
  const defaults = new SandboxDefaults(start);
  const access = new Access(start.accessToken, start.initKey);
  const accounts = new Accounts({
    self: { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 },
    passwd: () => readPasswd(),
    mayBecome: (uid, gid) => isMapped(uid, '/proc/self/uid_map') && isMapped(gid, '/proc/self/gid_map'),
    home,
    ownRoot: root === '/',
  });
  const table = new ProcessTable();
  const shutdown = new AbortController();
  const accountOf = ({ requestHeader }: { requestHeader: Headers }) =>
    requestAccount(requestHeader, accounts, defaults);
  const rpc = connectNodeAdapter({
    routes: (router) => {
      router.service(Process, processService(table, new Launcher(defaults, settings.path, mark), accountOf));
      router.service(Filesystem, filesystemService(new Watchers(), defaults, accountOf));
    },
    fallback: (_request, response) => sendError(response as NodeResponse, 404, 'not found'),
    readMaxBytes: LARGEST_MESSAGE,
    shutdownSignal: shutdown.signal,
  });
  const routes = createRoutes({
    access,
    accounts,
    defaults,
    now: () => new Date(),
    rpc(request, response) {
      // To the library, 0 means "already expired"; to E2B's SDKs, "never".
      const timeout = request.headers['connect-timeout-ms'];
      if (typeof timeout === 'string' && !isRealTimeout(timeout))
        delete request.headers['connect-timeout-ms'];
      rpc(request, response);
    },
  });
  const listener = createHttpListener(routes);
  const address = await startListening(listener.server, settings.listen);
  const bridge = settings.bridge && (await startPortBridge(settings.bridge));
  return {
    address,
    async stop(graceMs) {
      listener.server.close();
      await endAll(table, mark, graceMs);
      shutdown.abort();
      listener.closeAll();
      bridge?.close();
    },
  };
}
