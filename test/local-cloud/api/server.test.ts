import { expect, it, vi } from 'vitest';
import type { Operations } from '../../../local-cloud/api/operations.ts';
import { createApi, domainOfHost } from '../../../local-cloud/api/server.ts';

it.each([
  ['api.e2b.localhost:8443', 'e2b.localhost:8443'],
  ['API.E2B.localhost:9', 'e2b.localhost:9'],
  ['api.e2b.localhost', 'e2b.localhost'],
  ['api.other.example:8443', 'e2b.localhost:1'],
  ['localhost:5000', 'e2b.localhost:1'],
  ['api.e2b.localhost:8443@evil', 'e2b.localhost:1'],
  [undefined, 'e2b.localhost:1'],
])('a client that uses the Host %s gets the domain %s', (host, domain) => {
  expect(domainOfHost(host, ['e2b.localhost'], 'e2b.localhost:1')).toBe(domain);
});

it('refuses a body with a repeated key, and does not create a sandbox', async () => {
  const create = vi.fn();
  const operations = { create } as Partial<Operations> as Operations;
  const api = createApi({ operations, isKey: () => true, domainOf: () => '', onFault: () => {} });
  const payload = '{"network":{"allowPublicTraffic":false,"allowPublicTraffic":true}}';
  const headers = { 'x-api-key': 'a', 'content-type': 'application/json' };
  const { statusCode, body } = await api.inject({
    method: 'POST',
    url: '/v2/sandboxes',
    headers,
    payload,
  });
  expect([statusCode, body]).toEqual([400, expect.stringContaining('duplicate key')]);
  expect(create).not.toHaveBeenCalled();
});
