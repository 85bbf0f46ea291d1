import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type NodeProxy, startNodeProxy } from '../../../local-cloud/node-proxy/node-proxy.ts';
import { ownCgroupRoot } from '../../../local-cloud/sandbox/cgroup.ts';
import { findIsolation } from '../../../local-cloud/sandbox/isolation.ts';
import type { Sandbox } from '../../../local-cloud/sandbox/sandbox.ts';
import { Sandboxes } from '../../../local-cloud/sandbox/sandboxes.ts';
import { parseDomains } from '../../../src/target/domains.ts';
import { openCopy } from '../../machine.ts';
import { DOMAIN, publicSandbox, startTestStack, type TestStack } from '../../stack/test-stack.ts';
import { run, standIn, standInFolders, standIns } from './inside.ts';

/** Real sandboxes behind a node proxy and the real Envoy and gate. */
export interface Neighbourhood {
  stack: TestStack;
  proxy: NodeProxy;
  sandboxes: Sandboxes;
  /** With its policy in force: public, unless `access` says otherwise. */
  add(sandboxId: string, more?: { mask?: string; access?: object }): Promise<Sandbox>;
  /** Resolves once the server has been started, which is before it listens. */
  serve(sandbox: Sandbox, port: number, before?: string, program?: string): Promise<void>;
  stop(): Promise<void>;
}

/** The node proxy key of gate and node proxy. */
export const NODE_PROXY_KEY = 'a-node-proxy-key-for-the-neighbourhood';

export async function startNeighbourhood(): Promise<Neighbourhood> {
  const folder = mkdtempSync(join(tmpdir(), 'sandgate-test-'));
  const nodeProxyKeyFile = join(folder, 'key');
  writeFileSync(nodeProxyKeyFile, `${NODE_PROXY_KEY}\n`);
  const stack = await startTestStack({ nodeProxyKeyFile });
  const masks = new Map<string, string>();
  const sandboxes = new Sandboxes({
    stateDir: stack.stateDir,
    isolation: await findIsolation(process.getuid?.() ?? -1),
    programs: standInFolders(),
    graceMs: 2000,
    cgroups: ownCgroupRoot(),
    searchPath: process.env.PATH ?? '',
    temporary: tmpdir(),
  });
  const proxy = await startNodeProxy({
    port: 0,
    key: NODE_PROXY_KEY,
    domains: parseDomains([DOMAIN]),
    onRefused: () => {},
    find(sandboxId) {
      const found = sandboxes.get(sandboxId);
      return (
        found && {
          bridgeSocket: found.bridgeSocket,
          agentPort: found.agentPort,
          maskRequestHost: masks.get(sandboxId),
        }
      );
    },
  });
  return {
    stack,
    proxy,
    sandboxes,
    async add(sandboxId, { mask, access } = {}) {
      const sandbox = await sandboxes.create({ sandboxId, commands: standIns });
      if (mask !== undefined) masks.set(sandboxId, mask);
      const runtime = { route: { address: '127.0.0.1', port: proxy.port }, agent: 'self-authenticating' };
      await stack.put(publicSandbox(sandboxId, { runtime, access: access ?? {} }));
      return sandbox;
    },
    async serve(sandbox, port, before = '', program = 'server.mjs') {
      await run(
        sandbox,
        `(${before} exec ${openCopy().node} ${standIn(program)} ${port} ${sandbox.sandboxId}) >/tmp/server-${port} 2>&1 </dev/null &`,
      );
    },
    async stop() {
      await sandboxes.endAll();
      await proxy.close();
      await stack.stop();
      rmSync(folder, { recursive: true });
    },
  };
}
