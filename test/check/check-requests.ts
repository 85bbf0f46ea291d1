import fc from 'fast-check';
import protobuf from 'protobufjs';
import { anyText } from '../any-text.ts';
import { CheckRequest } from './oracle.ts';

const names = fc.constantFrom(
  'e2b-traffic-access-token',
  'E2B-Traffic-Access-Token',
  'e2b-sandbox-id',
  'e2b-sandbox-port',
  'accept',
  'user-agent',
  'sec-fetch-mode',
  'x-requested-with',
  'origin',
  'access-control-request-method',
  'access-control-request-headers',
  'x-request-id',
  'X-Request-Id',
  'x-forwarded-for',
  'traceparent',
  'x-envoy-external-address',
  'e2b-sandbox-pork',
  '',
);
const texts = anyText(12);
const values = fc.oneof(texts, fc.constantFrom('', 'a,b', 'abc', '8080'));
const short = fc.uint8Array({ maxLength: 12 });

/** A message as fields in any order and number: which includes repeated submessages, repeated scalars and unknown fields. */
type Field = (writer: protobuf.Writer) => protobuf.Writer;

function message(fields: readonly Field[]): Uint8Array {
  const writer = protobuf.Writer.create();
  for (const field of fields) field(writer);
  return writer.finish();
}

const bytesField = (id: number, content: fc.Arbitrary<Uint8Array | string>): fc.Arbitrary<Field> =>
  content.map((value) => (writer) => writer.uint32((id << 3) | 2).bytes(Buffer.from(value)));

const { unknown } = fc.letrec<{ unknown: Field }>((tie) => {
  const id = fc.constantFrom(14, 15, 16, 1000, 2 ** 29 - 1);
  return {
    unknown: fc.oneof(
      { maxDepth: 4 },
      fc.tuple(id, fc.bigInt({ min: 0n, max: 2n ** 64n - 1n })).map(
        ([field, value]): Field =>
          (writer) =>
            writer.uint32((field << 3) >>> 0).uint64(value.toString()),
      ),
      fc.tuple(id, fc.double()).map(
        ([field, value]): Field =>
          (writer) =>
            writer.uint32(((field << 3) | 1) >>> 0).double(value),
      ),
      fc.tuple(id, short).map(
        ([field, value]): Field =>
          (writer) =>
            writer.uint32(((field << 3) | 2) >>> 0).bytes(value),
      ),
      fc.tuple(id, fc.integer()).map(
        ([field, value]): Field =>
          (writer) =>
            writer.uint32(((field << 3) | 5) >>> 0).sfixed32(value),
      ),
      fc.tuple(id, fc.array(tie('unknown'), { maxLength: 3 })).map(
        ([field, inner]): Field =>
          (writer) => {
            writer.uint32(((field << 3) | 3) >>> 0);
            for (const each of inner) each(writer);
            return writer.uint32(((field << 3) | 4) >>> 0);
          },
      ),
    ),
  };
});

const fields = (...choices: fc.Arbitrary<Field>[]) =>
  fc.array(fc.oneof(...choices, unknown), { maxLength: 6 }).map(message);

const entry = fields(bytesField(1, names), bytesField(2, values));
const header = fields(bytesField(1, names), bytesField(2, values), bytesField(3, values));
const headerMap = fields(bytesField(1, header), bytesField(1, header));
const http = fields(
  bytesField(1, texts),
  bytesField(2, texts),
  bytesField(3, entry),
  bytesField(3, entry),
  bytesField(4, texts),
  bytesField(5, texts),
  bytesField(13, headerMap),
  bytesField(13, headerMap),
  fc.integer().map(
    (size): Field =>
      (writer) =>
        writer.uint32(9 << 3).int64(size),
  ),
);
const request = fields(bytesField(2, http), bytesField(2, http), bytesField(1, fields()));
const socketAddress = fields(bytesField(2, texts), bytesField(2, texts));
const address = fields(bytesField(1, socketAddress), bytesField(1, socketAddress));
const source = fields(bytesField(1, address), bytesField(1, address), bytesField(2, texts));
const attributes = fields(
  bytesField(4, request),
  bytesField(4, request),
  bytesField(1, source),
  bytesField(1, source),
);
export const wild = fields(bytesField(1, attributes), bytesField(1, attributes)).map((bytes) =>
  Buffer.from(bytes),
);

/** A message as Envoy would write it, every field of the schema included. */
const peer = fc.record({
  address: fc.constantFrom(
    { socket_address: { address: '10.0.0.1', port_value: 80 } },
    { pipe: { path: '/x' } },
  ),
  service: texts,
  labels: fc.dictionary(texts, texts, { maxKeys: 2 }),
  principal: texts,
  certificate: texts,
});
export const full = fc
  .record({
    attributes: fc.record({
      source: peer,
      destination: peer,
      request: fc.record({
        time: fc.constant({ seconds: 1_700_000_000, nanos: 5 }),
        http: fc.record({
          id: texts,
          method: texts,
          headers: fc.dictionary(names, values, { maxKeys: 6 }),
          header_map: fc.record({
            headers: fc.array(
              fc.record(
                { key: names, value: values, raw_value: short.map((bytes) => Buffer.from(bytes)) },
                { requiredKeys: [] },
              ),
              { maxLength: 6 },
            ),
          }),
          path: texts,
          host: texts,
          scheme: texts,
          query: texts,
          fragment: texts,
          size: fc.integer(),
          protocol: texts,
          body: texts,
          raw_body: short.map((bytes) => Buffer.from(bytes)),
        }),
      }),
      context_extensions: fc.dictionary(texts, texts, { maxKeys: 2 }),
      metadata_context: fc.constant({ filter_metadata: { a: { fields: { b: { numberValue: 1 } } } } }),
      route_metadata_context: fc.constant({
        typed_filter_metadata: { a: { type_url: 'x', value: Buffer.from('y') } },
      }),
      tls_session: fc.record({ sni: texts }),
    }),
  })
  .map((object) => Buffer.from(CheckRequest.encode(CheckRequest.fromObject(object)).finish()));
