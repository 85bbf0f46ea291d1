import { encodeAllow } from '../../dist/check/encode.js';
import { EMPTY_REQUEST } from '../../dist/check/handler.js';

/** What the gate answers for sandbox `s0` with the right token: the floor sends the same bytes. @param {number} port */
export function allowBytes(port) {
  /** @type {import('../../dist/policy/policy.js').Policy} */
  const policy = {
    sandboxId: 's0',
    incarnation: '0123456789abcdef',
    version: 'none',
    state: 'running',
    endsAt: undefined,
    agentSelfAuthenticating: false,
    route: { address: '127.0.0.1', port: undefined },
    allowPublicTraffic: false,
    publicRefused: false,
    shadow: undefined,
    tokens: [],
    maskRequestHost: undefined,
    forwardToken: false,
  };
  /** @type {import('../../dist/decision/decision.js').Allow} */
  const allow = {
    kind: 'allow',
    sandboxId: 's0',
    port,
    targetFrom: 'host',
    grant: { by: 'public' },
    policy,
    destination: { address: '127.0.0.1', port },
    upstreamHost: undefined,
    streamMs: undefined,
  };
  return encodeAllow(allow, EMPTY_REQUEST, false, 'gate');
}
