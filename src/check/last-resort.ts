import type { Deny, GateRequest } from '../decision/decision.ts';

/** What is decided when deciding failed. */
export const LAST_RESORT: Deny = { kind: 'deny', reason: 'unavailable' };

/** Stands for a request that was not read: no browser, no token, no sandbox. */
export const NOBODY: GateRequest = {
  method: '',
  host: '',
  path: '',
  sandboxId: { kind: 'absent' },
  sandboxPort: { kind: 'absent' },
  token: { kind: 'absent' },
  accept: '',
  userAgent: '',
  secFetchMode: '',
  requestedWith: '',
  origin: undefined,
  requestMethod: undefined,
  requestHeaders: undefined,
  requestId: '',
  traceparent: '',
  clientAddress: '',
};
