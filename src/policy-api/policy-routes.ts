import { z } from 'zod';
import type { PartName } from '../policy/record.ts';
import { recordVersion } from '../policy/version.ts';
import { expecting, partTag, precondition, RECORD_TAG, VERSION } from './etag.ts';
import type { PolicyAdmin } from './policy-admin.ts';
import { type AddRoute, NO_PARAMS, objectOf, SANDBOX } from './route.ts';
import { LIST_MAX, listSchema, readRequest, requestInvalid, writeSchema } from './schemas.ts';

const LIST_DEFAULT = 100;

/** In a URL, numbers are text. */
const listQuery = listSchema.extend({
  limit: z
    .string()
    .regex(/^[1-9]\d{0,3}$/, `must be a number from 1 to ${LIST_MAX}`)
    .transform(Number)
    .pipe(listSchema.shape.limit)
    .default(LIST_DEFAULT),
});
/** The same for the OpenAPI document. */
const listDocumented = listSchema.extend({ limit: listSchema.shape.limit.default(LIST_DEFAULT) });
const createQuery = z.strictObject({ create: z.enum(['true', 'false']).default('false') });

/** Whole policies. */
export function addPolicyRoutes(add: AddRoute, admin: PolicyAdmin): void {
  add(
    {
      method: 'GET',
      url: '',
      operationId: 'listPolicies',
      summary: 'List a page of policies in ascending order of their ids.',
      params: NO_PARAMS,
      query: listDocumented,
      answer: 'ListPage',
    },
    async (_path, { query }) => admin.list(readRequest(listQuery, query, 'query')),
  );
  add(
    {
      method: 'POST',
      url: '',
      operationId: 'writePolicies',
      summary: 'Write policies in one transaction.',
      params: NO_PARAMS,
      query: createQuery,
      body: 'Puts',
      answer: 'Written',
    },
    async (_path, { query, body }) => {
      const create = readRequest(createQuery, query, 'query').create === 'true';
      return admin.put(readRequest(writeSchema, body, 'records'), { create });
    },
  );
  add(
    {
      method: 'GET',
      url: '/:sandboxId',
      operationId: 'getPolicy',
      summary: 'Get a policy as stored.',
      params: SANDBOX,
      answer: 'Record',
      etag: true,
    },
    async ({ sandboxId }, _request, reply) => {
      const record = await admin.get(sandboxId);
      reply.header('etag', `"${recordVersion(record)}"`);
      return record;
    },
  );
  add(
    {
      method: 'PUT',
      url: '/:sandboxId',
      operationId: 'putPolicy',
      summary: 'Write a policy; an omitted part stays as stored.',
      params: SANDBOX,
      headers: { 'if-match': `^"${RECORD_TAG}"$`, 'if-none-match': '^\\*$' },
      body: 'NamedPut',
      answer: 'Written',
    },
    async ({ sandboxId }, { headers, body }) => {
      const { match, create } = precondition(headers, RECORD_TAG);
      const record = { sandboxId, ...objectOf(body) };
      if (record.sandboxId !== sandboxId) throw requestInvalid('sandboxId', 'does not match the path');
      return admin.put([match === undefined ? record : expecting(record, match)], { create });
    },
  );
  add(
    {
      method: 'DELETE',
      url: '/:sandboxId',
      operationId: 'deletePolicy',
      summary: 'Delete a policy.',
      params: SANDBOX,
      answer: 'InForceAt',
    },
    async ({ sandboxId }) => admin.delete(sandboxId),
  );
}

/** One part of a policy: the control plane writes `runtime`, operators write `access`. */
export function addPartRoutes(add: AddRoute, admin: PolicyAdmin, part: PartName): void {
  const name = part === 'runtime' ? 'Runtime' : 'Access';
  const url = `/:sandboxId/${part}`;
  add(
    {
      method: 'GET',
      url,
      operationId: `get${name}`,
      summary: `Get the ${part} part as stored.`,
      params: SANDBOX,
      answer: name,
      etag: true,
    },
    async ({ sandboxId }, _request, reply) => {
      const record = await admin.get(sandboxId);
      reply.header('etag', partTag(record, part));
      return record[part];
    },
  );
  add(
    {
      method: 'PUT',
      url,
      operationId: `put${name}`,
      summary: `Write the ${part} part; the other part stays as stored.`,
      params: SANDBOX,
      headers: { 'if-match': `^"${VERSION}"$` },
      body: `${name}Put`,
      answer: 'Written',
    },
    async ({ sandboxId }, { headers, body }) => {
      const { match, create } = precondition(headers, VERSION);
      if (create) throw requestInvalid('if-none-match', 'is for a whole policy');
      return admin.putPart(sandboxId, part, objectOf(body), match);
    },
  );
}
