import { partTag, precondition, VERSION } from './etag.ts';
import type { PartName, PolicyAdmin } from './policy-admin.ts';
import { requestInvalid } from './requests.ts';
import { type AddRoute, idOf, objectOf, SANDBOX } from './route.ts';

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
