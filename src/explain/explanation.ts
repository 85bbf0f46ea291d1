import type { Answer, Decision, GateRequest } from '../decision/decision.ts';
import type { SandgateError } from '../errors.ts';
import type { PolicyRules } from '../policy/network.ts';
import type { PolicyLookup } from '../policy/policy.ts';
import type { StoredRecord } from '../policy/store.ts';
import type { TargetResult } from '../target/target.ts';

/** The steps of docs/contract.md §2, in the order in which the gate takes them. */
export type StepName = 'target' | 'internal path' | 'policy' | 'token' | 'route' | 'masking';

/** One step that was taken. The last one of a refusal is the one that refused. */
export interface Step {
  name: StepName;
  passed: boolean;
  /** What was found, in words. */
  found: string;
  /** The same for programs. */
  [fact: string]: unknown;
}

/** What the sandbox's server would get. */
export interface Upstream {
  /** Where Envoy dials; undefined where the ingress has its own routes. */
  destination: string | undefined;
  host: string;
  forwardedHost: string | undefined;
  /** Of those that the client sent. */
  removed: readonly string[];
  /** Milliseconds until a token expires, which end the stream. */
  streamMs: number | undefined;
}

/** Why a request gets what it gets. Holds no token, and no digest beyond 8 hex characters. */
export interface Explanation {
  decision: 'allow' | 'deny' | 'preflight';
  /** Of the gate's own answer; undefined where the sandbox answers. */
  status: number | undefined;
  /** `x-sandgate-reason`; undefined where the sandbox answers. */
  reason: string | undefined;
  /** Finer than the reason: what the client is not told. */
  detail: string | undefined;
  /** What kept the gate from deciding or answering: a 503 to the client, `check_fault` in the gate's log. */
  fault: string | undefined;
  /** `path` without its query. */
  request: { method: string; host: string; path: string };
  steps: readonly Step[];
  upstream: Upstream | undefined;
  answer: Answer | undefined;
}

/** What the handler was given and what it made of it. */
export interface Evaluation {
  decision: Decision;
  request: GateRequest;
  target: TargetResult;
  lookup: PolicyLookup | undefined;
  record: StoredRecord | undefined;
  /** What the store threw in place of a record. */
  storeFault: SandgateError | undefined;
  /** A fault of the handler itself: the steps passed, and the answer is a 503 all the same. */
  fault: SandgateError | undefined;
  rules: PolicyRules;
  /** Milliseconds since 1970. */
  now: number;
}
