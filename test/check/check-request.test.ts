import { expect, it } from 'vitest';
import { encodeCheckRequest } from '../../src/check/check-request.ts';
import { decodeCheckRequest } from '../../src/check/decode.ts';
import { loadBundledConfig } from '../../src/envoy/bootstrap.ts';
import { REQUEST_HEADERS } from '../../src/target/headers.ts';
import { CheckRequest, referenceRequest } from './oracle.ts';

const request = {
  scheme: 'https' as const,
  method: 'PUT',
  host: '8080-abc.e2b.app',
  path: '/ä?q=1',
  headers: [
    ['E2B-Traffic-Access-Token', 'one'],
    ['e2b-traffic-access-token', 'two\xff'],
    ['Accept', ''],
    ['Cookie', 'a=b'],
  ] as const,
};

it('is read back as it was sent, by the gate and by protobuf.js', () => {
  const bytes = encodeCheckRequest(request);
  expect(decodeCheckRequest(bytes)).toEqual(referenceRequest(bytes));
  expect(decodeCheckRequest(bytes)).toMatchObject({
    method: 'PUT',
    host: '8080-abc.e2b.app',
    path: '/ä?q=1',
    token: { kind: 'several' },
  });
});

it("has only the needed headers, in lower case, line by line and byte for byte, like Envoy's raw form", () => {
  const { attributes } = CheckRequest.toObject(CheckRequest.decode(encodeCheckRequest(request)));
  expect(attributes.request.http.header_map.headers).toEqual([
    { key: 'e2b-traffic-access-token', raw_value: Buffer.from('one') },
    { key: 'e2b-traffic-access-token', raw_value: Buffer.from('two\xff', 'latin1') },
    { key: 'accept' },
  ]);
  expect(attributes.request.http).not.toHaveProperty('headers');
});

it("needs exactly the headers that the bundled Envoy's allowed_headers list", async () => {
  const block = /allowed_headers:\n\s+patterns:\n((?:\s+- exact: .+\n)+)/.exec(
    await loadBundledConfig(),
  )![1]!;
  const allowed = [...block.matchAll(/exact: (\S+)/g)].map(([, name]) => name);
  expect(allowed.sort()).toEqual(Object.values(REQUEST_HEADERS).sort());
});
