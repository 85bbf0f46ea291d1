import { z } from 'zod';
import { recordVersion } from '../policy/version.ts';
import { expecting, partTag, precondition, RECORD_TAG, VERSION } from './etag.ts';
import type { ListRequest, PartName, PolicyAdmin } from './policy-admin.ts';
import { type AddRoute, idOf, objectOf, SANDBOX } from './route.ts';
import { LIST_MAX, listSchema, readRequest, requestInvalid } from './schemas.ts';

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
      query: listShown,
      answer: 'ListPage',
    },
    async ({ query }) => admin.list(readRequest<unknown>(listQuery, query, 'query') as ListRequest),
  );
  add(
    {
      method: 'POST',
      url: '',
      operationId: 'writePolicies',
      summary: 'Written, all in one transaction.',
      query: createQuery,
      body: 'Puts',
      answer: 'Written',
    },
    async ({ query, body }) => {
      const create = readRequest(createQuery, query, 'query').create === 'true';
      return admin.put(body as unknown[], { create });
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
    async (request, reply) => {
      const record = await admin.get(idOf(request));
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
    async (request) => {
      const { match, create } = precondition(request.headers, RECORD_TAG);
      const record = { sandboxId: idOf(request), ...objectOf(request) };
      if (record.sandboxId !== idOf(request)) throw requestInvalid('sandboxId', 'is not the one of the path');
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
    async (request) => admin.delete(idOf(request)),
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
    async (request, reply) => {
      const record = await admin.get(idOf(request));
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
    async (request) => {
      const { match, create } = precondition(request.headers, VERSION);
      if (create) throw requestInvalid('if-none-match', 'is for a whole policy');
      return admin.putPart(idOf(request), part, objectOf(request), match);
    },
  );
}
