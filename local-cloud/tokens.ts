import { createHmac } from 'node:crypto';

/** What a restricted sandbox's URL asks for: the same for all ports and the whole life of the sandbox (contract §2). */
export function trafficToken(seed: string, sandboxId: string): string {
  return createHmac('sha256', seed).update(`sandbox-traffic-${sandboxId}`).digest('hex');
}

/** What the agent asks for as `X-Access-Token`. Derived, so that no file has to hold it. */
export function agentToken(seed: string, sandboxId: string): string {
  return createHmac('sha256', seed).update(`sandbox-agent-${sandboxId}`).digest('hex');
}
