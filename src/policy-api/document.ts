import type { FastifyInstance, FastifySchema } from 'fastify';
import { z } from 'zod';
import { putSchema } from '../policy/record.ts';
import * as answers from './schemas.ts';
import { mintSchema, rotateSchema, WRITE_MAX } from './schemas.ts';

/** Every body of the policy API by the name that it has in the OpenAPI document. */
const COMPONENTS = {
  Put: { io: 'input', schema: putSchema },
  Puts: { io: 'input', schema: z.array(putSchema).max(WRITE_MAX) },
  // The path says which sandbox it is; a body that does too must agree.
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

/** Leaves out the patterns that not every reader of the document knows, or that no person could read. */
function plain(made: { pattern?: string; format?: string; allOf?: unknown }): void {
  if (made.pattern?.includes('\\P{')) delete made.pattern;
  if (made.format !== 'date-time') return;
  delete made.pattern;
  delete made.allOf;
}

/** What one operation says of itself in the document, beside its failures. */
export interface Operation {
  operationId: string;
  summary: string;
  params?: z.ZodObject;
  query?: z.ZodObject;
  headers?: Record<string, string>;
  body?: ComponentName;
  status?: number;
  answer?: ComponentName;
  /** The answer carries one. */
  etag?: boolean;
}

const FAILURES: Record<number, string> = {
  400: 'The request, or the policy in it, is wrong; `field` names where.',
  401: 'No key, or a wrong one.',
  403: 'The store cannot be written through Sandgate.',
  404: 'There is no such sandbox, token or path.',
  405: 'That path does not offer that method.',
  409: 'It is not what the write expected: `currentVersion`, a revoked or repeated token, an unreadable policy.',
  413: 'The body is larger than 1 MiB.',
  415: 'The body is not declared as application/json.',
  421: 'The Host is not one of this API.',
  429: 'Too many requests of one address.',
  500: 'A fault in Sandgate.',
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
        ...(etag && { headers: { etag: { type: 'string', description: 'For `If-Match` of a PUT.' } } }),
        ...(answer ? { content: content(answer) } : { type: 'object', additionalProperties: true }),
      },
    },
  };
}

/** By name: the pattern of its value. */
function headersSchema(headers: Record<string, string>) {
  const properties = Object.entries(headers).map(([name, pattern]) => [name, { type: 'string', pattern }]);
  return { type: 'object', properties: Object.fromEntries(properties) };
}
