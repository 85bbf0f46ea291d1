import type { Decision, GateRequest } from '../decision/decision.ts';
import type { SandgateError } from '../errors.ts';
import type { PolicyRules } from '../policy/network.ts';
import type { PolicyLookup } from '../policy/policy.ts';
import type { UnreadRecord } from '../policy/record.ts';
import type { TargetResult } from '../target/target.ts';

/** The decision on one request, and everything it was made from: the steps of an explanation are read from it. */
export interface Evaluation {
  decision: Decision;
  request: GateRequest;
  target: TargetResult;
  lookup: PolicyLookup | undefined;
  record: UnreadRecord | undefined;
  /** The error that the store threw instead of returning a record. */
  storeFault: SandgateError | undefined;
  /** A fault of the handler itself: the answer is a 503 even if every step passed. */
  fault: SandgateError | undefined;
  rules: PolicyRules;
  /** Milliseconds since 1970. */
  now: number;
}
