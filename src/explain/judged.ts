import type { Decision, GateRequest } from '../decision/decision.ts';
import type { SandgateError } from '../errors.ts';
import type { PolicyLookup } from '../policy/policy.ts';
import type { PolicyRules } from '../policy/rules.ts';
import type { StoredRecord } from '../policy/store.ts';
import type { TargetResult } from '../target/target.ts';

/** What the handler was given and what it made of it. */
export interface Judged {
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
