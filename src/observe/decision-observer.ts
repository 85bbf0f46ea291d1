import type { Decision, GateRequest } from '../decision/decision.ts';

/** Is told of each answer, 503s for faults included, on the path of the request: it must be quick. */
export type DecisionObserver = (decision: Decision, request: GateRequest, durationNs: number) => void;

/** Tells several, in order. */
export function tellAll(...observers: readonly DecisionObserver[]): DecisionObserver {
  return (decision, request, durationNs) => {
    for (const observe of observers) observe(decision, request, durationNs);
  };
}
