/** One named part of `/readyz`. `reason` says why it is not ok, or what an operator should look at even though it is. */
export interface Part {
  ok: boolean;
  /** It works, but not for everything: `reason` says for what. */
  degraded?: boolean;
  reason?: string;
  [fact: string]: unknown;
}

/**
 * The body of `/readyz`. A gate is ready if every part is ok; a supervisor, if one of its gates is ready. A part that is
 * degraded does not change that.
 */
export interface Readiness {
  ready: boolean;
  degraded: boolean;
  parts: Record<string, Part>;
}

export function readiness(parts: Record<string, Part>): Readiness {
  return { ready: Object.values(parts).every((part) => part.ok), degraded: isDegraded(parts), parts };
}

/** True if one of the parts is degraded. */
export function isDegraded(parts: Readiness['parts']): boolean {
  return Object.values(parts).some((part) => part.degraded === true);
}
