import { ENVD_VERSION, type Entry, TEMPLATE } from '../lifecycle/entry.ts';

/** What of a sandbox's secrets an answer may hold. */
export interface Tokens {
  traffic(sandboxId: string): string;
  agent(sandboxId: string): string;
}

/** E2B's own constant, from the time when ids had a second part. */
const CLIENT_ID = '6532622b';
const SIZE = { cpuCount: 2, memoryMB: 1024, diskSizeMB: 0 };

/** Of create, connect and resume: the only answers that hold the traffic token. `domain` may carry a port. */
export function createdView(entry: Entry, domain: string, tokens: Tokens): Record<string, unknown> {
  const { sandboxId, secure, allowPublicTraffic } = entry;
  return {
    ...names(entry),
    envdVersion: ENVD_VERSION,
    domain,
    ...(secure && { envdAccessToken: tokens.agent(sandboxId) }),
    ...(!allowPublicTraffic && { trafficAccessToken: tokens.traffic(sandboxId) }),
  };
}

export function listedView(entry: Entry): Record<string, unknown> {
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

export function detailView(entry: Entry, domain: string, tokens: Tokens): Record<string, unknown> {
  const { sandboxId, secure, autoPause, network, allowPublicTraffic, maskRequestHost } = entry;
  return {
    ...listedView(entry),
    domain,
    ...(secure && { envdAccessToken: tokens.agent(sandboxId) }),
    network: { ...network, allowPublicTraffic, ...(maskRequestHost !== undefined && { maskRequestHost }) },
    lifecycle: { onTimeout: autoPause ? 'pause' : 'kill', autoResume: false },
  };
}

function names({ sandboxId }: Entry): Record<string, unknown> {
  return { templateID: TEMPLATE, alias: TEMPLATE, sandboxID: sandboxId, clientID: CLIENT_ID };
}
