import { z } from 'zod';
import type { PartName } from '../policy/record.ts';
import { recordVersion } from '../policy/version.ts';
import { expecting, partTag, precondition, RECORD_TAG, VERSION } from './etag.ts';
import type { PolicyAdmin } from './policy-admin.ts';
import { type AddRoute, NO_PARAMS, objectOf, SANDBOX } from './route.ts';
import { LIST_MAX, listSchema, readRequest, requestInvalid, writeSchema } from './schemas.ts';

const LIST_DEFAULT = 100;

/** Numbers and switches are text in a URL. */
const listQuery = listSchema.extend({
  limit: z
    .string()
    .regex(/^[1-9]\d{0,3}$/, `must be a number from 1 to ${LIST_MAX}`)
    .transform(Number)
    .pipe(listSchema.shape.limit)
    .default(LIST_DEFAULT),
});
/** The same as the document shows it. */
const listShown = listSchema.extend({ limit: listSchema.shape.limit.default(LIST_DEFAULT) });
const createQuery = z.strictObject({ create: z.enum(['true', 'false']).default('false') });

/** Whole policies. */
export function addPolicyRoutes(add: AddRoute, admin: PolicyAdmin): void {
  add(
    {
      method: 'GET',
      url: '',
      operationId: 'listPolicies',
      summary: 'A page of policies, ids ascending.',
      params: NO_PARAMS,
      query: listShown,
      answer: 'ListPage',
    },
    async (_path, { query }) => admin.list(readRequest(listQuery, query, 'query')),
  );
  add(
    {
      method: 'POST',
      url: '',
      operationId: 'writePolicies',
      summary: 'Written, all in one transaction.',
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
      summary: 'The policy as stored.',
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
      summary: 'Written; a part that is left out stays as it was.',
      params: SANDBOX,
      headers: { 'if-match': `^"${RECORD_TAG}"$`, 'if-none-match': '^\\*$' },
      body: 'NamedPut',
      answer: 'Written',
    },
    async ({ sandboxId }, { headers, body }) => {
      const { match, create } = precondition(headers, RECORD_TAG);
      const record = { sandboxId, ...objectOf(body) };
      if (record.sandboxId !== sandboxId) throw requestInvalid('sandboxId', 'is not the one of the path');
      return admin.put([match === undefined ? record : expecting(record, match)], { create });
    },
  );
  add(
    {
      method: 'DELETE',
      url: '/:sandboxId',
      operationId: 'deletePolicy',
      summary: 'Deleted.',
      params: SANDBOX,
      answer: 'InForceAt',
    },
    async ({ sandboxId }) => admin.delete(sandboxId),
  );
}

/** One part of a policy alone: two parties write them. */
export function addPartRoutes(add: AddRoute, admin: PolicyAdmin, part: PartName): void {
  const name = part === 'runtime' ? 'Runtime' : 'Access';
  const url = `/:sandboxId/${part}`;
  add(
    {
      method: 'GET',
      url,
      operationId: `get${name}`,
      summary: `The ${part} part as stored.`,
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
      summary: `The ${part} part written, the other one as it was.`,
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
