import type { FastifyInstance, FastifySchema } from 'fastify';
import { z } from 'zod';
import { putSchema } from '../policy/record.ts';
import * as answers from './schemas.ts';
import { mintSchema, rotateSchema, WRITE_MAX } from './schemas.ts';

/** The bodies of the policy API, by their names in the OpenAPI document. */
const COMPONENTS = {
  Put: { io: 'input', schema: putSchema },
  Puts: { io: 'input', schema: z.array(putSchema).max(WRITE_MAX) },
  // The path names the sandbox; a body may name it too, but must agree.
  NamedPut: { io: 'input', schema: putSchema.partial({ sandboxId: true }) },
  RuntimePut: { io: 'input', schema: putSchema.shape.runtime.unwrap() },
  AccessPut: { io: 'input', schema: putSchema.shape.access.unwrap() },
  MintRequest: { io: 'input', schema: mintSchema },
  RotateRequest: { io: 'input', schema: rotateSchema },
  Record: { io: 'output', schema: answers.recordSchema },
  Runtime: { io: 'output', schema: answers.recordSchema.shape.runtime },
  Access: { io: 'output', schema: answers.recordSchema.shape.access },
  ListPage: { io: 'output', schema: answers.listPageSchema },
  Written: { io: 'output', schema: answers.writtenSchema },
  InForceAt: { io: 'output', schema: answers.inForceSchema },
  Tokens: { io: 'output', schema: answers.tokensSchema },
  Revoked: { io: 'output', schema: answers.revokedSchema },
  Minted: { io: 'output', schema: answers.mintedSchema },
  Rotated: { io: 'output', schema: answers.rotatedSchema },
  Failure: { io: 'output', schema: answers.failureSchema },
} as const satisfies Record<string, { io: 'input' | 'output'; schema: z.ZodType }>;

export type ComponentName = keyof typeof COMPONENTS;

export function addComponents(app: FastifyInstance): void {
  for (const [$id, { io, schema }] of Object.entries(COMPONENTS))
    app.addSchema({ $id, ...jsonSchema(schema, io) });
}

/** JSON Schema 2020-12, the dialect of OpenAPI 3.1. */
export function jsonSchema(schema: z.ZodType, io: 'input' | 'output') {
  const { $schema: _, ...json } = z.toJSONSchema(schema, {
    io,
    override: ({ jsonSchema: made }) => plain(made),
  });
  return json;
}

/** Removes patterns that not every tool supports, and those that are too long to read. */
function plain(made: { pattern?: string; format?: string; allOf?: unknown }): void {
  if (made.pattern?.includes('\\P{')) delete made.pattern;
  if (made.format !== 'date-time') return;
  delete made.pattern;
  delete made.allOf;
}

/** One operation in the document; every operation has the same failures. */
export interface Operation {
  operationId: string;
  summary: string;
  params?: z.ZodObject;
  query?: z.ZodObject;
  headers?: Record<string, string>;
  body?: ComponentName;
  status?: number;
  answer?: ComponentName;
  /** The answer has an ETag. */
  etag?: boolean;
}

const FAILURES: Record<number, string> = {
  400: 'The request, or the policy in it, is invalid; `field` names the field at fault.',
  401: 'The key is missing or wrong.',
  403: 'The store cannot be written through Sandgate.',
  404: 'The sandbox, token or path does not exist.',
  405: 'The path does not support the method.',
  409: 'The write conflicts with what is stored: another version (see `currentVersion`), a revoked token, an existing token id, or an unreadable policy.',
  413: 'The body is larger than 1 MiB.',
  415: 'The body is not declared as application/json.',
  421: 'This API does not answer for the Host of the request.',
  429: 'There are too many requests from one address.',
  500: 'There is a fault in Sandgate.',
  503: 'The store did not answer.',
};

export function operationSchema(operation: Operation): FastifySchema {
  const { operationId, summary, params, query, headers, body, status = 200, answer, etag } = operation;
  const content = (name: ComponentName) => ({ 'application/json': { schema: { $ref: `${name}#` } } });
  const failures = Object.entries(FAILURES).map(([code, description]) => [
    code,
    { description, content: content('Failure') },
  ]);
  return {
    operationId,
    summary,
    ...(params && { params: jsonSchema(params, 'input') }),
    ...(query && { querystring: jsonSchema(query, 'input') }),
    ...(headers && { headers: headersSchema(headers) }),
    ...(body && { body: { $ref: `${body}#` } }),
    response: {
      ...Object.fromEntries(failures),
      [status]: {
        description: summary,
        ...(etag && {
          headers: { etag: { type: 'string', description: 'For the `If-Match` header of a PUT.' } },
        }),
        ...(answer ? { content: content(answer) } : { type: 'object', additionalProperties: true }),
      },
    },
  };
}

/** `headers`: the pattern of each header's value, by name. */
function headersSchema(headers: Record<string, string>) {
  const properties = Object.entries(headers).map(([name, pattern]) => [name, { type: 'string', pattern }]);
  return { type: 'object', properties: Object.fromEntries(properties) };
}
