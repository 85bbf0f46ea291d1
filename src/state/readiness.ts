/** One named part of `/readyz`. `reason` says why it is not ok, or what an operator should look at even though it is. */
export interface Part {
  ok: boolean;
  reason?: string;
  [fact: string]: unknown;
}

/** The body of `/readyz`. A gate is ready if every part is ok; a supervisor, if one of its gates is ready. */
export interface Readiness {
  ready: boolean;
  parts: Record<string, Part>;
}

export function readiness(parts: Record<string, Part>): Readiness {
  return { ready: Object.values(parts).every((part) => part.ok), parts };
}
