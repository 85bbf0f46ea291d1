import { type ClientRequest, encodeCheckRequest } from '../check/check-request.ts';
import { checkResponseDecoder, type Decoded } from '../check/check-response.ts';
import { type CheckHandlerOptions, createCheckHandler, targetRulesOf } from '../check/handler.ts';
import type { Answer, Decision, GateRequest } from '../decision/decision.ts';
import { grpcHeaders, isGrpc } from '../decision/grpc.ts';
import type { Reason } from '../decision/reasons.ts';
import { SandgateError } from '../errors.ts';
import { CACHE_TIMES, PolicyCache } from '../policy/cache/cache.ts';
import type { Clock } from '../policy/clock.ts';
import type { PolicyRules } from '../policy/network.ts';
import type { PolicyLookup } from '../policy/policy.ts';
import type { UnreadRecord } from '../policy/record.ts';
import type { PolicySource } from '../policy/store.ts';
import { FORWARDED_HOST_HEADER, REASON_HEADER, STREAM_DURATION_HEADER } from '../target/headers.ts';
import { resolveTarget } from '../target/resolve.ts';
import { type EnvoyAnswer, envoyFirst, envoyLast } from './envoy-first.ts';
import type { Explanation, Step, Upstream } from './explanation.ts';
import { stepsOf } from './steps.ts';

export interface ExplainOptions {
  store: PolicySource;
  rules: PolicyRules;
  gate: Pick<CheckHandlerOptions, 'domains' | 'context'>;
  clock: Clock;
}

/**
 * Passes a request through the handler and cache that Check uses, and decodes the answer. The clock is frozen, so that
 * the steps are evaluated at the same time as the request. Throws the store's STORE_UNAVAILABLE and STORE_CORRUPT.
 */
export async function explain(request: ClientRequest, options: ExplainOptions): Promise<Explanation> {
  const { store, rules, gate, clock } = options;
  const first = gate.context.routing === 'gate' ? envoyFirst(request) : undefined;
  if (first !== undefined) return refusedByEnvoy(request, first, []);
  const now = clock.now();
  let record: UnreadRecord | undefined;
  let storeFault: SandgateError | undefined;
  let lookup: PolicyLookup | undefined;
  let decided: { decision: Decision; request: GateRequest } | undefined;
  let fault: SandgateError | undefined;

  const watched: PolicySource = {
    read: async (sandboxId) => {
      record = await store.read(sandboxId).catch((error: SandgateError) => {
        storeFault = error;
        throw error;
      });
      return record;
    },
    subscribe: (listener) => store.subscribe(listener),
    position: () => store.position(),
    deliveredUntil: () => store.deliveredUntil(),
  };
  const cache = new PolicyCache(watched, rules, clock, CACHE_TIMES);
  const handler = createCheckHandler({
    ...gate,
    lookup: async (sandboxId) => {
      lookup = await cache.lookup(sandboxId);
      return lookup;
    },
    now: () => now,
    monotonic: clock.monotonic,
    log: {
      fault: (_code, error) => {
        fault = error;
      },
    },
    onDecision: (decision, decoded) => {
      decided = { decision, request: decoded };
    },
  });
  const bytes = await handler(encodeCheckRequest(request), Number.POSITIVE_INFINITY);
  cache.close();
  if (storeFault?.code === 'STORE_UNAVAILABLE' || storeFault?.code === 'STORE_CORRUPT') throw storeFault;
  if (decided === undefined) throw new SandgateError('INTERNAL', 'the gate made no decision');

  const { decision } = decided;
  const target = resolveTarget(
    decided.request.host,
    decided.request.sandboxId,
    decided.request.sandboxPort,
    targetRulesOf(gate),
  );
  const decoded = checkResponseDecoder()(bytes as Buffer);
  const steps = stepsOf({ ...decided, target, lookup, record, storeFault, fault, rules, now });
  const last = decision.kind === 'allow' && gate.context.routing === 'gate' ? envoyLast(request) : undefined;
  if (last !== undefined) return refusedByEnvoy(request, last, steps);
  const answer = answerOf(decoded, request);
  return {
    decision: decision.kind,
    status: answer?.status,
    reason: answer?.headers.find(([name]) => name === REASON_HEADER)?.[1],
    detail: decision.kind === 'allow' ? undefined : detailOf(decision),
    request: shown(request),
    fault: fault && `${fault.message} [${fault.code}]`,
    steps,
    upstream: answer === undefined ? upstreamOf(decoded, request) : undefined,
    answer,
  };
}

function shown({ method, host, path }: ClientRequest): Explanation['request'] {
  return { method, host, path: path.split('?')[0]! };
}

function refusedByEnvoy(request: ClientRequest, refusal: EnvoyAnswer, before: readonly Step[]): Explanation {
  const { reason, found, answer } = refusal;
  return {
    decision: 'refused',
    status: answer.status,
    reason,
    detail: undefined,
    request: shown(request),
    fault: undefined,
    steps: [...before, { name: 'Envoy', passed: false, found }],
    upstream: undefined,
    answer,
  };
}

function detailOf(decision: Exclude<Decision, { kind: 'allow' }>): string | undefined {
  switch (decision.kind) {
    case 'deny':
      return decision.detail;
    case 'preflight':
      return decision.refused?.reason;
    default:
      return decision satisfies never;
  }
}

function answerOf({ status, denied_response: denied }: Decoded, request: ClientRequest): Answer | undefined {
  if (!status?.code) return undefined;
  const headers = (denied?.headers ?? []).map(
    ({ header }) => [header.key ?? '', header.value ?? ''] as const,
  );
  const answer = { status: denied?.status?.code ?? 403, headers, body: denied?.body ?? '' };
  const sent = (name: string) => request.headers.find(([one]) => one.toLowerCase() === name)?.[1];
  if (!isGrpc(sent)) return answer;
  const reason = headers.find(([name]) => name === REASON_HEADER)?.[1] as Reason;
  const kept = headers.filter(([name]) => name !== 'content-type');
  return { ...answer, headers: [...kept, ...grpcHeaders(reason)], body: '' };
}

function upstreamOf({ ok_response: ok, dynamic_metadata }: Decoded, request: ClientRequest): Upstream {
  const set = new Map((ok?.headers ?? []).map(({ header }) => [header.key, header.value]));
  const sent = new Set(request.headers.map(([name]) => name.toLowerCase()));
  const bound = set.get(STREAM_DURATION_HEADER);
  const destination = dynamic_metadata?.fields?.destination as { stringValue?: string } | undefined;
  return {
    destination: destination?.stringValue,
    host: set.get('host') ?? request.host,
    forwardedHost: set.get(FORWARDED_HOST_HEADER),
    removed: (ok?.headers_to_remove ?? []).filter((name) => sent.has(name)),
    streamMs: bound === undefined ? undefined : Number(bound),
  };
}
