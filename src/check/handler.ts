import { answerFor } from '../decision/answer.ts';
import { decideByPolicy, decideByTarget, isPreflight } from '../decision/decide.ts';
import type { Decision, Deny, GateContext, GateRequest } from '../decision/decision.ts';
import { wantsHtml } from '../decision/negotiate.ts';
import { type ErrorCode, SandgateError, toSandgateError } from '../errors.ts';
import type { PolicyLookup } from '../policy/policy.ts';
import type { Domains } from '../target/domains.ts';
import { resolveTarget, type TargetRules } from '../target/resolve.ts';
import type { Target } from '../target/target.ts';
import { AnswerCache } from './answer-cache.ts';
import { decodeCheckRequest } from './decode.ts';
import { encodeAllow, encodeAnswer } from './encode.ts';
import { closedBySweep, SweepGuard } from './sweep-guard.ts';

export interface CheckHandlerOptions {
  /** Looks up the policy in the cache: a plain value if it is cached, a promise if it has to be loaded. */
  lookup(sandboxId: string): PolicyLookup | Promise<PolicyLookup>;
  domains: Domains;
  context: GateContext;
  /** Sent to node proxies (`x-sandgate-node-proxy-key`); undefined: none is sent. */
  nodeProxyKey?: string | undefined;
  /** Milliseconds since 1970. */
  now(): number;
  /** Milliseconds of a monotonic clock, with fractions. */
  monotonic(): number;
  log: { fault(code: ErrorCode, error: SandgateError, requestId: string): void };
  /** Called after each answer is built, 503s for faults included. */
  onDecision?: ((decision: Decision, request: GateRequest, durationNs: number) => void) | undefined;
}

/**
 * Takes CheckRequest bytes and returns CheckResponse bytes, whatever the transport. `deadline` is milliseconds since
 * 1970, Infinity if the caller set none. Throws (or rejects with) CHECK_MALFORMED for bytes that are not a CheckRequest,
 * and nothing else: every other fault is already a 503 in the bytes.
 */
export type CheckHandler = (request: Buffer, deadline: number) => Buffer | Promise<Buffer>;

/** The decision if deciding fails. */
const LAST_RESORT: Deny = { kind: 'deny', reason: 'unavailable' };

/** Stands in for a request that could not be read. */
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
  peerAddress: '',
};

/** Envoy gives a check 1 s and ignores any later answer. */
const LONGEST_WAIT_MS = 900;

/** The part of the deadline that is reserved for building and sending the answer. */
const ANSWER_MS = 50;

const TOO_LATE: PolicyLookup = { kind: 'unavailable', code: 'STORE_UNAVAILABLE' };

/**
 * The fail-closed boundary: any fault inside, including a look-up that hangs, becomes the 503 answer. Only a message
 * that is not a CheckRequest makes the handler throw. The handler returns bytes synchronously if the look-up does.
 */
export function createCheckHandler(options: CheckHandlerOptions): CheckHandler {
  const gate = new Gate(options);
  return (bytes, deadline) => gate.check(bytes, deadline);
}

/** The rules by which a handler with these options reads a target. */
export function targetRulesOf({
  domains,
  context,
}: Pick<CheckHandlerOptions, 'domains' | 'context'>): TargetRules {
  return { domains, headerRouting: context.routing === 'gate' };
}

class Gate {
  readonly #options: CheckHandlerOptions;
  readonly #targetRules: TargetRules;
  readonly #sweeps = new SweepGuard();
  readonly #answers = new AnswerCache();
  /** Made at start, so that it cannot fail later. */
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
      return this.#handle(request, deadline, started);
    } catch (thrown) {
      const error = toSandgateError(thrown);
      if (error.code === 'CHECK_MALFORMED' && request === EMPTY_REQUEST) throw error;
      return this.#fault(error, request, started);
    }
  }

  #handle(request: GateRequest, deadline: number, started: number): Buffer | Promise<Buffer> {
    const { lookup, now } = this.#options;
    const result = decideByTarget(
      request,
      resolveTarget(request.host, request.sandboxId, request.sandboxPort, this.#targetRules),
    );
    if (result.kind !== 'target') return this.#answer(result, request, started);
    const { target } = result;
    const found = lookup(target.sandboxId);
    if ('kind' in found) return this.#decide(request, target, found, deadline, started);
    return withinDeadline(found, deadline, now(), TOO_LATE)
      .then((loaded) => this.#decide(request, target, loaded, deadline, started))
      .catch((thrown) => this.#fault(toSandgateError(thrown), request, started));
  }

  #decide(
    request: GateRequest,
    target: Target,
    lookup: PolicyLookup,
    deadline: number,
    started: number,
  ): Buffer | Promise<Buffer> {
    const { context, now, monotonic } = this.#options;
    const decision = decideByPolicy(request, target, lookup, now(), context);
    if (decision.kind !== 'allow') return this.#answer(decision, request, started);
    const admitted = this.#sweeps.admits(decision, request, monotonic());
    if (admitted === true) return this.#answer(decision, request, started);
    const refused = closedBySweep(decision, request);
    if (admitted === false) return this.#answer(refused, request, started);
    return (
      withinDeadline(admitted, deadline, now(), false)
        // The policy may have changed in the meantime, so an allow is decided again.
        .then((isOpen) =>
          isOpen ? this.#handle(request, deadline, started) : this.#answer(refused, request, started),
        )
        .catch((thrown) => this.#fault(toSandgateError(thrown), request, started))
    );
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
        // The answer to a preflight echoes what it asks for.
        const cached = !isPreflight(request);
        const kept = cached ? this.#answers.get(decision, html) : undefined;
        if (kept !== undefined) return kept;
        const { context, nodeProxyKey } = this.#options;
        const bytes = encodeAllow(decision, request, html, context.routing, nodeProxyKey);
        if (cached) this.#answers.set(decision, html, bytes);
        return bytes;
      }
      case 'deny':
        return encodeAnswer(answerFor(decision, request), decision.sandboxId);
      case 'preflight':
        return encodeAnswer(answerFor(decision, request));
      default:
        decision satisfies never;
        throw new SandgateError('INTERNAL', 'a decision has an unknown kind');
    }
  }

  #fault(error: SandgateError, request: GateRequest, started: number): Buffer {
    this.#log(error, request);
    this.#report({ ...LAST_RESORT, detail: error.code }, request, started);
    return this.#lastResort;
  }

  /** A fault of an observer must not change the answer. */
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
      // If the log fails too, the fault cannot be reported, but the answer is still a 503.
    }
  }
}

/**
 * What is found, or `late` once the caller's deadline is near. `deadline` and `now` are milliseconds since 1970. Rejects
 * if `found` does; a rejection after the deadline is ignored.
 */
function withinDeadline<T>(found: Promise<T>, deadline: number, now: number, late: T): Promise<T> {
  const waitMs = Math.max(0, Math.min(LONGEST_WAIT_MS, deadline - now - ANSWER_MS));
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, waitMs, late);
    found.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}
