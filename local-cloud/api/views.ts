import { ENVD_VERSION, type SandboxEntry, TEMPLATE } from '../lifecycle/sandbox-entry.ts';

/** The tokens of a sandbox that a response may contain. */
export interface Tokens {
  traffic(sandboxId: string): string;
  agent(sandboxId: string): string;
}

/** E2B's constant, left over from ids that had a second part. */
const CLIENT_ID = '6532622b';
const SIZE = { cpuCount: 2, memoryMB: 1024, diskSizeMB: 0 };

/** The response of create, connect and resume, the only one with the traffic token. `domain` may include a port. */
export function createdView(entry: SandboxEntry, domain: string, tokens: Tokens): Record<string, unknown> {
  const { sandboxId, secure, allowPublicTraffic } = entry;
  return {
    ...names(entry),
    envdVersion: ENVD_VERSION,
    domain,
    ...(secure && { envdAccessToken: tokens.agent(sandboxId) }),
    ...(!allowPublicTraffic && { trafficAccessToken: tokens.traffic(sandboxId) }),
  };
}

export function listedView(entry: SandboxEntry): Record<string, unknown> {
  const { startedAt, endsAt, metadata, state } = entry;
  return {
    ...names(entry),
    ...SIZE,
    envdVersion: ENVD_VERSION,
    startedAt: new Date(startedAt).toISOString(),
    endAt: new Date(endsAt).toISOString(),
    metadata,
    state,
  };
}

export function detailView(entry: SandboxEntry, domain: string, tokens: Tokens): Record<string, unknown> {
  const { sandboxId, secure, autoPause, network, allowPublicTraffic, maskRequestHost } = entry;
  return {
    ...listedView(entry),
    domain,
    ...(secure && { envdAccessToken: tokens.agent(sandboxId) }),
    network: { ...network, allowPublicTraffic, ...(maskRequestHost !== undefined && { maskRequestHost }) },
    lifecycle: { onTimeout: autoPause ? 'pause' : 'kill', autoResume: false },
  };
}

function names({ sandboxId }: SandboxEntry): Record<string, unknown> {
  return { templateID: TEMPLATE, alias: TEMPLATE, sandboxID: sandboxId, clientID: CLIENT_ID };
}
