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
import type { ListRequest, MintRequest, RotateRequest } from './policy-admin.ts';

/** What the policy API is asked with, beside the record itself (`record.ts`), whose rules it shares. */
const DAY_S = 24 * 3600;
const { id, label, expiresAt, ports, incarnation } = putTokenSchema.shape;

const seconds = (least: number, most: number) => {
  const fault = `must be a whole number of seconds from ${least} to ${most}`;
  return z.int(fault).min(least, fault).max(most, fault);
};

export const LIST_MAX = 500;
export const listSchema = z.strictObject({
  after: sandboxIdSchema.optional(),
  limit: z.int().min(1).max(LIST_MAX),
  state: putSchema.shape.runtime.unwrap().shape.state.unwrap().optional(),
  idPrefix: sandboxIdSchema.optional(),
});

export const mintSchema = z
  .strictObject({
    id: id.optional(),
    label,
    expiresAt,
    ttlSeconds: seconds(1, 3650 * DAY_S).optional(),
    ports,
    incarnation,
  })
  .refine(({ expiresAt, ttlSeconds }) => expiresAt === undefined || ttlSeconds === undefined, {
    path: ['ttlSeconds'],
    message: 'cannot go with expiresAt',
  });

export const rotateSchema = z.strictObject({ overlapSeconds: seconds(0, 30 * DAY_S), id: id.optional() });

/** Of one that is there, whoever wrote it. */
export const tokenIdSchema = storedTokenSchema.shape.id;

/** Of one request, in bytes. */
export const BODY_MAX = 1024 * 1024;
/** As many as one transaction takes without holding up the gate that it runs in. */
export const WRITE_MAX = 1000;
export const writeSchema = z.array(z.unknown()).max(WRITE_MAX, `must list at most ${WRITE_MAX} records`);

/** Throws REQUEST_INVALID that names the first field at fault; `whole` stands for all of the value. */
export function readRequest<T>(schema: z.ZodType<T>, value: unknown, whole: string): T {
  const read = schema.safeParse(value, { error: explainIssue });
  if (read.success) return read.data;
  const { field, cause } = firstFault(read.error);
  throw requestInvalid(field === 'record' ? whole : field, cause);
}

export function requestInvalid(field: string, cause: string): SandgateError {
  return new SandgateError('REQUEST_INVALID', `${field} ${cause}.`, { field });
}

export const readList = (value: unknown): ListRequest =>
  readRequest(listSchema, value, 'query') as ListRequest;
export const readMint = (value: unknown): MintRequest =>
  readRequest(mintSchema, value, 'body') as MintRequest;
export const readRotate = (value: unknown): RotateRequest =>
  readRequest(rotateSchema, value, 'body') as RotateRequest;

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
