import { answerFor } from '../decision/answer.ts';
import { judgePolicy, judgeTarget } from '../decision/decide.ts';
import type { Decision, Deny, GateRequest, Site } from '../decision/decision.ts';
import { wantsHtml } from '../decision/negotiate.ts';
import { type ErrorCode, SandgateError, toSandgateError } from '../errors.ts';
import type { PolicyLookup } from '../policy/policy.ts';
import type { Domains } from '../target/domains.ts';
import { resolveTarget, type TargetRules } from '../target/resolve.ts';
import type { Target } from '../target/target.ts';
import { AnswerCache } from './answer-cache.ts';
import { decodeCheckRequest } from './decode.ts';
import { encodeAllow, encodeAnswer } from './encode.ts';
import { SweepGuard } from './sweep-guard.ts';

export interface CheckHandlerOptions {
  /** The cache: a plain value where it knows, a promise where it has to load. */
  lookup(sandboxId: string): PolicyLookup | Promise<PolicyLookup>;
  domains: Domains;
  site: Site;
  /** Milliseconds since 1970. */
  now(): number;
  /** Milliseconds of a clock that only goes forward, fractions included. */
  monotonic(): number;
  log: { fault(code: ErrorCode, error: SandgateError, requestId: string): void };
  /** Called after each answer is built, 503s for faults included. */
  onDecision?: ((decision: Decision, request: GateRequest, durationNs: number) => void) | undefined;
}

/**
 * What a transport carries, so that another one can be measured against gRPC: CheckRequest bytes in,
 * CheckResponse bytes out. `deadline` is milliseconds since 1970, Infinity when the caller set none.
 * Throws (or rejects with) a SandgateError of code CHECK_MALFORMED for bytes that are no CheckRequest, and nothing else:
 * every other fault is already a 503 in the bytes.
 */
export type CheckHandler = (request: Buffer, deadline: number) => Buffer | Promise<Buffer>;

/** What is decided when deciding failed. */
const LAST_RESORT: Deny = { kind: 'deny', reason: 'unavailable' };

/** Stands for a request that was not read: no browser, no token, no sandbox. */
export const EMPTY_REQUEST: GateRequest = {
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

/** Envoy asks with 1 s; an answer that comes after it has hung up helps nobody. */
const LONGEST_WAIT_MS = 900;

/** What is left for the answer itself to be built and carried back. */
const ANSWER_MS = 50;

const TOO_LATE: PolicyLookup = { kind: 'unavailable', code: 'STORE_UNAVAILABLE' };

/**
 * The fail-closed boundary. Whatever goes wrong inside, a look-up that hangs included, becomes the 503 answer; only a
 * message that is no CheckRequest is thrown. Returns bytes at once where the look-up does.
 */
export function createCheckHandler(options: CheckHandlerOptions): CheckHandler {
  const gate = new Gate(options);
  return (bytes, deadline) => gate.check(bytes, deadline);
}

/** How the handler of these options reads a target. */
export function targetRulesOf({ domains, site }: Pick<CheckHandlerOptions, 'domains' | 'site'>): TargetRules {
  return { domains, headerRouting: site.routing === 'gate' };
}

class Gate {
  readonly #options: CheckHandlerOptions;
  readonly #targetRules: TargetRules;
  readonly #sweeps = new SweepGuard();
  readonly #answers = new AnswerCache();
  /** Made at start, so that nothing is left that could fail when everything else has. */
  readonly #lastResort = encodeAnswer(answerFor(LAST_RESORT, EMPTY_REQUEST));

  constructor(options: CheckHandlerOptions) {
    this.#options = options;
    this.#targetRules = targetRulesOf(options);
  }

  check(bytes: Buffer, deadline: number): Buffer | Promise<Buffer> {
    let started = 0;
    let request = EMPTY_REQUEST;
    try {
      started = this.#options.monotonic();
      request = decodeCheckRequest(bytes);
      return this.#judge(request, deadline, started);
    } catch (thrown) {
      const error = toSandgateError(thrown);
      if (error.code === 'CHECK_MALFORMED' && request === EMPTY_REQUEST) throw error;
      return this.#fault(error, request, started);
    }
  }

  #judge(request: GateRequest, deadline: number, started: number): Buffer | Promise<Buffer> {
    const { lookup, now } = this.#options;
    const judged = judgeTarget(
      request,
      resolveTarget(request.host, request.sandboxId, request.sandboxPort, this.#targetRules),
    );
    if (judged.kind !== 'target') return this.#answer(judged, request, started);
    const { target } = judged;
    const found = lookup(target.sandboxId);
    if ('kind' in found) return this.#decide(request, target, found, started);
    return withinDeadline(found, deadline, now())
      .then((late) => this.#decide(request, target, late, started))
      .catch((thrown) => this.#fault(toSandgateError(thrown), request, started));
  }

  #decide(request: GateRequest, target: Target, lookup: PolicyLookup, started: number): Buffer {
    const { site, now, monotonic } = this.#options;
    const decision = judgePolicy(request, target, lookup, now(), site);
    return this.#answer(this.#sweeps.judge(decision, request, monotonic()), request, started);
  }

  #answer(decision: Decision, request: GateRequest, started: number): Buffer {
    const bytes = this.#encode(decision, request);
    this.#report(decision, request, started);
    return bytes;
  }

  #encode(decision: Decision, request: GateRequest): Buffer {
    switch (decision.kind) {
      case 'allow': {
        const html = wantsHtml(request);
        const kept = this.#answers.get(decision, html);
        if (kept !== undefined) return kept;
        const bytes = encodeAllow(decision, request, html, this.#options.site.routing);
        this.#answers.set(decision, html, bytes);
        return bytes;
      }
      case 'deny':
        return encodeAnswer(answerFor(decision, request), decision.sandboxId);
      case 'preflight':
        return encodeAnswer(answerFor(decision, request));
      default:
        decision satisfies never;
        throw new SandgateError('INTERNAL', 'A decision of unknown kind was made.');
    }
  }

  #fault(error: SandgateError, request: GateRequest, started: number): Buffer {
    this.#log(error, request);
    this.#report({ ...LAST_RESORT, detail: error.code }, request, started);
    return this.#lastResort;
  }

  /** What watches the gate must not change its answers. */
  #report(decision: Decision, request: GateRequest, started: number): void {
    const { onDecision, monotonic } = this.#options;
    if (onDecision === undefined) return;
    try {
      onDecision(decision, request, Math.round((monotonic() - started) * 1e6));
    } catch (thrown) {
      this.#log(toSandgateError(thrown), request);
    }
  }

  #log(error: SandgateError, request: GateRequest): void {
    try {
      this.#options.log.fault(error.code, error, request.requestId);
    } catch {
      // There is nowhere left to say it, and the answer is a 503 all the same.
    }
  }
}

/**
 * The look-up, or `unavailable` once the caller's deadline is near. `deadline` and `now` are milliseconds since 1970.
 * Rejects as the look-up does; a rejection that comes too late is swallowed.
 */
function withinDeadline(found: Promise<PolicyLookup>, deadline: number, now: number): Promise<PolicyLookup> {
  const waitMs = Math.max(0, Math.min(LONGEST_WAIT_MS, deadline - now - ANSWER_MS));
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, waitMs, TOO_LATE);
    found.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}
