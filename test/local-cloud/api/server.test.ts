import { expect, it } from 'vitest';
import { domainOfHost } from '../../../local-cloud/api/server.ts';

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
