import { z } from 'zod';

/** What the control plane tells an agent: on its standard input at start, and by `POST /init` later. */
export const InitialState = z.object({
  /** Absent or empty in `POST /init`: the token stays. */
  accessToken: z.string().max(4096).optional(),
  envVars: z.record(z.string().regex(/^[^=\0]+$/), z.string()).optional(),
  defaultUser: z.string().max(64).optional(),
  defaultWorkdir: z.string().max(4096).optional(),
});
export type InitialState = z.infer<typeof InitialState>;

/** Standard input adds the key that `POST /init` must show from then on. */
export const StartInput = InitialState.extend({ initKey: z.string().min(16).max(4096).optional() });
export type StartInput = z.infer<typeof StartInput>;
