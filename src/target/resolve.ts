import type { Domains } from './domains.ts';
import { parseHost } from './host.ts';
import {
  type HeaderValue,
  parsePort,
  type TargetError,
  type TargetResult,
  type TargetSource,
} from './target.ts';

export interface TargetRules {
  domains: Domains;
  /** False with `--routing ingress`, because the ingress has already routed by Host. */
  headerRouting: boolean;
}

const SHARED_HOST = 'sandbox.';
const SANDBOX_ID = /^[a-z0-9]{1,63}$/;

/**
 * Which port of which sandbox a request is for (docs/contract.md §1). `host` is as sent; `idHeader` is `e2b-sandbox-id`,
 * `portHeader` is `e2b-sandbox-port`. Both headers are ignored if the host itself names a sandbox; otherwise a request
 * with sandbox A's host and token and B's headers could reach B.
 */
export function resolveTarget(
  host: string,
  idHeader: HeaderValue,
  portHeader: HeaderValue,
  rules: TargetRules,
): TargetResult {
  const parsed = parseHost(host);
  if (parsed === undefined) return failed('invalid_host');
  const { name, local } = parsed;
  const shared = name.startsWith(SHARED_HOST) ? name.slice(SHARED_HOST.length) : undefined;
  const byHeader = rules.headerRouting && (local || shared !== undefined);
  if (byHeader && (isGiven(idHeader) || isGiven(portHeader))) {
    if (shared !== undefined && !rules.domains.matches(shared)) return failed('invalid_host');
    return fromHeaders(idHeader, portHeader, shared);
  }
  return local ? failed('invalid_host') : fromHost(name, rules.domains);
}

function fromHeaders(id: HeaderValue, port: HeaderValue, domain: string | undefined): TargetResult {
  if (isAmbiguous(id) || isAmbiguous(port)) return failed('invalid_host');
  if (id.kind !== 'one' || id.value === '') return failed('missing_header');
  if (port.kind !== 'one' || port.value === '') return failed('missing_header');
  return target(port.value, id.value, domain, 'headers');
}

function fromHost(name: string, domains: Domains): TargetResult {
  const dot = name.indexOf('.');
  const dash = name.indexOf('-');
  if (dash === -1 || dash > dot) return failed('invalid_host');
  const next = name.indexOf('-', dash + 1);
  const id = name.slice(dash + 1, next === -1 || next > dot ? dot : next);
  const domain = name.slice(dot + 1);
  return domains.matches(domain) ? target(name.slice(0, dash), id, domain, 'host') : failed('invalid_host');
}

function target(
  portText: string,
  sandboxId: string,
  domain: string | undefined,
  from: TargetSource,
): TargetResult {
  const port = parsePort(portText);
  if (port === undefined) return failed('invalid_sandbox_port');
  if (!SANDBOX_ID.test(sandboxId)) return failed('invalid_sandbox_id');
  return { kind: 'target', target: { sandboxId, port, domain, from } };
}

/** An empty routing header counts as absent. */
function isGiven(header: HeaderValue): boolean {
  return header.kind === 'several' || (header.kind === 'one' && header.value !== '');
}

function isAmbiguous(header: HeaderValue): boolean {
  return header.kind === 'several' || (header.kind === 'one' && header.value.includes(','));
}

function failed(error: TargetError): TargetResult {
  return { kind: 'error', error };
}
