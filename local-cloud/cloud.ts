import { randomBytes } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SandgateError } from '#src/errors.js';
import { secretFile } from '#src/folder.js';
import type { Logger } from '#src/observe/logger.js';
import { readKeyFile } from '#src/policy-api/keys-file.js';
import { clearDeadSocket, prepareSocket, resolveSocketPath } from '#src/state/socket-path.js';
import { baseDomains, parseDomains } from '#src/target/domains.js';
import { startWith, Teardown } from '#src/teardown.js';
import { Operations } from './api/operations.ts';
import { createApi, domainOfHost } from './api/server.ts';
import { API_KEY, agentToken, createKeyTest, newApiKey, trafficToken } from './credentials.ts';
import { gateAdmin } from './gates.ts';
import { AgentProgram } from './lifecycle/agent-program.ts';
import { Lifecycle, recover } from './lifecycle/lifecycle.ts';
import { Policies } from './lifecycle/policies.ts';
import { SandboxTable } from './lifecycle/sandbox-table.ts';
import { startNodeProxy } from './node-proxy/node-proxy.ts';
import { ownCgroupRoot } from './sandbox/cgroup.ts';
import { findIsolation, type Isolation } from './sandbox/isolation.ts';
import { Sandboxes } from './sandbox/sandboxes.ts';
import { newSandboxId } from './sandbox-id.ts';
import type { CloudSettings } from './settings.ts';

/** A local cloud that runs, from its one composition root. */
export interface Cloud {
  readonly isolation: Isolation;
  /** Ends every sandbox. */
  close(): Promise<void>;
}

const GRACE_MS = 1000;

/**
 * Starts the local cloud after ending what a killed predecessor left. Throws a SandgateError and leaves nothing open if a
 * part cannot start.
 */
export function startCloud(settings: CloudSettings, log: Logger): Promise<Cloud> {
  return startWith(new Teardown(), (teardown) => compose(settings, log, teardown));
}

async function compose(settings: CloudSettings, log: Logger, teardown: Teardown): Promise<Cloud> {
  const { stateDir, domains, domain } = settings;
  const isolation = settings.isolation ? await findIsolation(process.getuid?.() ?? 0) : 'none';
  const inCloud = (name: string) => join(stateDir, 'cloud', name);
  const key = secretFile(inCloud('api-key'), API_KEY, () => newApiKey(randomBytes));
  const seed = secretFile(inCloud('token-seed'), /^[0-9a-f]{64}$/, () => randomBytes(32).toString('hex'));
  const table = new SandboxTable(inCloud('cloud.db'));
  teardown.add('the table of sandboxes', () => table.close());

  const agent = new AgentProgram(settings.agent);
  const sandboxes = new Sandboxes({
    stateDir,
    isolation,
    programs: agent.files,
    graceMs: GRACE_MS,
    cgroups: ownCgroupRoot(),
    searchPath: settings.searchPath,
    temporary: tmpdir(),
  });
  const proxy = await startNodeProxy({
    port: settings.nodeProxyPort,
    key: nodeProxyKey(settings),
    domains: parseDomains(domains),
    find: (sandboxId) => lifecycle.find(sandboxId),
    // The first, second, fourth, eighth …: enough to notice, and nobody can fill the log with it.
    onRefused: (reason, count) => {
      if (Number.isInteger(Math.log2(count))) log.warn({ reason, count }, 'node_proxy_refused');
    },
  });
  teardown.add('the node proxy', () => proxy.close());
  const tokens = {
    traffic: (sandboxId: string) => trafficToken(seed, sandboxId),
    agent: (sandboxId: string) => agentToken(seed, sandboxId),
  };
  const policies = new Policies({
    admin: gateAdmin(settings),
    route: { address: '127.0.0.1', port: proxy.port },
    trafficToken: tokens.traffic,
  });
  const parts = { sandboxes, policies, table, log };
  const lifecycle = new Lifecycle({
    ...{ ...parts, agent },
    agentToken: tokens.agent,
    newId: () => newSandboxId(randomBytes),
    now: Date.now,
  });
  await recover(parts);
  teardown.add('the sandboxes', () => lifecycle.close());

  const api = createApi({
    operations: new Operations(lifecycle, tokens, settings.defaultAccess),
    isKey: createKeyTest(key),
    domainOf: (host) => domainOfHost(host, baseDomains(domains), domain),
    onFault: (error) => log.error({ err: error }, 'request_fault'),
  });
  await listen(api, settings.listen, teardown);
  teardown.add('the API', () => api.close());
  log.info({ isolation }, 'cloud_ready');
  return { isolation, close: () => teardown.run() };
}

/** Throws SETTINGS_INVALID or STATE_UNUSABLE. */
function nodeProxyKey({ stateDir, nodeProxyKeyFile: named }: CloudSettings): string {
  if (named !== undefined) {
    return readKeyFile(named, '--node-proxy-key-file', 'name the file that the gates have for it');
  }
  const file = join(stateDir, 'cloud', 'node-proxy-key');
  return secretFile(file, /^[0-9a-f]{64}$/, () => randomBytes(32).toString('hex'));
}

async function listen(
  api: ReturnType<typeof createApi>,
  wanted: CloudSettings['listen'],
  teardown: Teardown,
): Promise<void> {
  if ('path' in wanted) {
    const socket = resolveSocketPath({ path: wanted.path, access: 'private' }, tmpdir());
    await prepareSocket(socket, 'SANDGATE_CLOUD');
    teardown.add('the socket of the API', () => clearDeadSocket(socket.path));
    // Only this user may enter the folder; Envoy runs as this user.
    await api.listen({ path: socket.path });
    return;
  }
  await api.listen({ host: wanted.host, port: wanted.port }).catch((cause: Error) => {
    throw new SandgateError('ADDRESS_IN_USE', `the local cloud cannot listen: ${cause.message}`, {
      remedy: 'stop what listens there, or choose another address (--listen)',
      cause,
    });
  });
}
