import { z } from 'zod';
import { isHostMask } from '#src/policy/mask.js';

/** The longest timeout of a sandbox, as in E2B's Pro plan. */
export const LONGEST_HOURS = 24;
const TOO_LONG = `Timeout cannot be greater than ${LONGEST_HOURS} hours`;

const seconds = z.int().min(0);
const timeout = seconds.max(LONGEST_HOURS * 3600, TOO_LONG);
const texts = z.record(z.string(), z.string());

/** Egress rules are accepted and stored, but need no enforcement: a sandbox here has no outgoing network. */
export const networkSchema = z.looseObject({
  /** `null` says nothing, like an absent one: E2B, 2026-11. */
  allowPublicTraffic: z.boolean().nullish(),
  maskRequestHost: z.string().max(255).refine(isHostMask, 'is not a host name').nullish(),
  httpsPorts: z
    .array(z.unknown())
    .max(0, 'needs TLS to the sandbox, which the local cloud does not speak')
    .optional(),
});

export const createSchema = z.looseObject({
  templateID: z.string().min(1),
  timeout: timeout.optional(),
  secure: z.boolean().optional(),
  autoPause: z.boolean().optional(),
  metadata: texts.optional(),
  envVars: texts.optional(),
  network: networkSchema.nullish(),
  volumeMounts: z.array(z.unknown()).max(0, 'Volume mounts are not enabled.').nullish(),
});

export const connectSchema = z.looseObject({ timeout: timeout.optional() });
export const resumeSchema = z.looseObject({ timeout: timeout.optional(), autoPause: z.boolean().optional() });
/** A negative timeout counts as 0: end now. */
export const timeoutSchema = z.looseObject({
  timeout: z
    .int()
    .max(LONGEST_HOURS * 3600, TOO_LONG)
    .transform((value) => Math.max(0, value)),
});

export type NetworkRequest = z.infer<typeof networkSchema>;
export type CreateRequest = z.infer<typeof createSchema>;

/** The first fault in E2B's words; messages that are whole sentences get no prefix. */
export function faultText(error: z.ZodError): string {
  const [issue] = error.issues;
  const { path = [], message = '' } = issue ?? {};
  if (/^(Timeout|Volume) /.test(message)) return message;
  return `Error when parsing request: ${path.join('.') || 'body'}: ${message}`;
}
