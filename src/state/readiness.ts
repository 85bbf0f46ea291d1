/** One named part of `/readyz`. `reason` says why it is not ok, or what an operator should look at although it is. */
export interface Part {
  ok: boolean;
  reason?: string;
  [fact: string]: unknown;
}

/** The body of `/readyz`: ready only when every part is; a supervisor is when one of its gates is. */
export interface Readiness {
  ready: boolean;
  parts: Record<string, Part>;
}

export function readiness(parts: Record<string, Part>): Readiness {
  return { ready: Object.values(parts).every((part) => part.ok), parts };
}
