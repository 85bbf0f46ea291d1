import { z } from 'zod';
import { SandgateError } from '../errors.ts';
import { explainIssue, firstFault } from '../policy/explain.ts';
import { putSchema, putTokenSchema, sandboxIdSchema, storedTokenSchema } from '../policy/record.ts';
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
