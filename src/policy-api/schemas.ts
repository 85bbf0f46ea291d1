import { z } from 'zod';
import { SandgateError } from '../errors.ts';
import { explainIssue, firstFault } from '../policy/field-fault.ts';
import {
  putSchema,
  putTokenSchema,
  sandboxIdSchema,
  storedSchema,
  storedTokenSchema,
} from '../policy/record.ts';

/**
 * What the policy API takes and answers, other than the record itself (`record.ts`), whose rules it shares. Requests
 * are read with these schemas; answers are built by `store-admin.ts`, and their schemas are for the OpenAPI document.
 */
const DAY_S = 24 * 3600;
const { id, label, expiresAt, ports, incarnation } = putTokenSchema.shape;

const seconds = (least: number, most: number) => {
  const fault = `must be a whole number of seconds from ${least} to ${most}`;
  return z.int(fault).min(least, fault).max(most, fault);
};

/** Largest request body, in bytes. */
export const BODY_MAX = 1024 * 1024;
/** As many as one transaction takes without holding up the gate that it runs in. */
export const WRITE_MAX = 1000;
export const writeSchema = z.array(z.unknown()).max(WRITE_MAX, `must list at most ${WRITE_MAX} records`);

export const LIST_MAX = 500;
export const listSchema = z.strictObject({
  after: sandboxIdSchema.optional().describe('List ids after this one; it is not listed.'),
  limit: z.int().min(1).max(LIST_MAX),
  state: putSchema.shape.runtime.unwrap().shape.state.unwrap().optional(),
  idPrefix: sandboxIdSchema.optional(),
});

/** The id of an existing token. */
export const tokenIdSchema = storedTokenSchema.shape.id;

export const mintSchema = z
  .strictObject({
    id: id.optional().describe('Default: `t-` and 8 random hex characters.'),
    label,
    expiresAt,
    ttlSeconds: seconds(1, 3650 * DAY_S)
      .optional()
      .describe('Instead of `expiresAt`.'),
    ports,
    incarnation,
  })
  .refine(({ expiresAt, ttlSeconds }) => expiresAt === undefined || ttlSeconds === undefined, {
    path: ['ttlSeconds'],
    message: 'cannot go with expiresAt',
  });

export const rotateSchema = z.strictObject({
  overlapSeconds: seconds(0, 30 * DAY_S).describe('How long the old token stays valid; 0 revokes it.'),
  id: id.optional().describe('The id of the new token.'),
});

const { sha256: _digest, ...shownOfToken } = storedTokenSchema.shape;

/** A token without its plaintext or digest. */
export const tokenInfoSchema = z.strictObject({
  ...shownOfToken,
  fingerprint: z
    .string()
    .regex(/^[0-9a-f]{8}$/)
    .describe('The first 8 hex characters of the digest.'),
});

const force = {
  sequence: z
    .int()
    .min(0)
    .describe('The number of the last change; it is in force at each gate whose position has reached it.'),
  gates: z.int().min(0).describe('The number of live gates of the state folder.'),
  inForce: z.boolean().describe('False if a live gate did not have the change after 2 seconds.'),
};
const minted = {
  token: z
    .string()
    .regex(/^[0-9a-f]{64}$/)
    .describe('The value of e2b-traffic-access-token. Only this answer contains it.'),
  info: tokenInfoSchema,
  ...force,
};

export const recordSchema = storedSchema.extend({
  access: storedSchema.shape.access.extend({ tokens: z.array(storedTokenSchema).max(64) }),
});
/** A record that no gate can use is listed as far as it can be read. */
const listedSchema = z.union([recordSchema, z.looseObject({ sandboxId: z.string() })]);

export const listPageSchema = z.strictObject({
  records: z.array(listedSchema),
  next: sandboxIdSchema.optional().describe('The `after` of the next page; absent on the last page.'),
});
export const inForceSchema = z.strictObject(force);
export const writtenSchema = z.strictObject({ records: z.array(recordSchema), ...force });
export const tokensSchema = z.strictObject({ tokens: z.array(tokenInfoSchema) });
export const revokedSchema = z.strictObject({ revoked: tokenInfoSchema, ...force });
export const mintedSchema = z.strictObject(minted);
export const rotatedSchema = z.strictObject({
  ...minted,
  previous: tokenInfoSchema
    .optional()
    .describe('The old token; absent if the overlap is 0, which revokes it.'),
});
export const failureSchema = z.strictObject({
  code: z
    .string()
    .regex(/^[A-Z_]+$/)
    .describe('A code from docs/errors.md.'),
  message: z.string(),
  field: z.string().optional().describe('The field at fault.'),
  currentVersion: z.string().optional().describe('On a conflict: the version that is stored now.'),
  remedy: z.string().optional(),
});

/** Throws REQUEST_INVALID that names the first field at fault; `whole` names the value itself. */
export function readRequest<Schema extends z.ZodType>(
  schema: Schema,
  value: unknown,
  whole: string,
): z.infer<Schema> {
  const read = schema.safeParse(value, { error: explainIssue });
  if (read.success) return read.data;
  const { field, cause } = firstFault(read.error);
  throw requestInvalid(field === 'record' ? whole : field, cause);
}

export function requestInvalid(field: string, cause: string): SandgateError {
  return new SandgateError('REQUEST_INVALID', `${field} ${cause}`, { field });
}
