import { z } from 'zod';
import { sandboxIdSchema, storedSchema, storedTokenSchema } from '../policy/record.ts';

/** What the policy API answers, for its document; the values are built by `store-admin.ts`. */
const { sha256: _digest, ...shown } = storedTokenSchema.shape;

export const tokenInfoSchema = z.strictObject({
  ...shown,
  fingerprint: z
    .string()
    .regex(/^[0-9a-f]{8}$/)
    .describe('The first 8 hex characters of the digest.'),
});

const force = {
  sequence: z.int().min(0).describe('Of the last change; a gate at or past it has the change in force.'),
  gates: z.int().min(0).describe('Live gates of the state folder.'),
  inForce: z.boolean().describe('False: not at every live gate after 2 seconds.'),
};
const minted = {
  token: z
    .string()
    .regex(/^[0-9a-f]{64}$/)
    .describe('The value of e2b-traffic-access-token, in this answer and nowhere else.'),
  info: tokenInfoSchema,
  ...force,
};

export const recordSchema = storedSchema.extend({
  access: storedSchema.shape.access.extend({ tokens: z.array(storedTokenSchema).max(64) }),
});
/** One that no gate can use is listed as far as it can be read. */
const listedSchema = z.union([recordSchema, z.looseObject({ sandboxId: z.string() })]);

export const listPageSchema = z.strictObject({
  records: z.array(listedSchema),
  next: sandboxIdSchema.optional().describe('The `after` of the next page; absent on the last one.'),
});
export const inForceSchema = z.strictObject(force);
export const writtenSchema = z.strictObject({ records: z.array(recordSchema), ...force });
export const tokensSchema = z.strictObject({ tokens: z.array(tokenInfoSchema) });
export const revokedSchema = z.strictObject({ revoked: tokenInfoSchema, ...force });
export const mintedSchema = z.strictObject(minted);
export const rotatedSchema = z.strictObject({
  ...minted,
  previous: tokenInfoSchema.optional().describe('Absent where the overlap is 0: then it is revoked.'),
});
export const failureSchema = z.strictObject({
  code: z
    .string()
    .regex(/^[A-Z_]+$/)
    .describe('One of docs/errors.md.'),
  message: z.string(),
  field: z.string().optional(),
  currentVersion: z.string().optional().describe('On a conflict: what stands there now.'),
  remedy: z.string().optional(),
});
