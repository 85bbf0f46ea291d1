import protobuf from 'protobufjs';
import { expect, it } from 'vitest';
import { FIELDS } from '../../src/check/field-numbers.ts';
import { lookupMessage } from './oracle.ts';

const { MapEntry, ...messages } = FIELDS;

/** The spelling of fields in protobuf.js's own copy of `google/protobuf`. */
const camelCase = (field: string) => field.replace(/_(.)/g, (_, letter: string) => letter.toUpperCase());

it.each(Object.entries(messages))('%s has the field numbers of proto/', (name, numbers) => {
  const { fields } = lookupMessage(name);
  const expected = Object.keys(numbers).map((field) => [
    field,
    (fields[field] ?? fields[camelCase(field)])?.id,
  ]);
  expect(Object.entries(numbers)).toEqual(expected);
});

it('a map entry has a key and a value, as the encoding of maps says', () => {
  expect(MapEntry).toEqual({ key: 1, value: 2 });
  expect(lookupMessage('google.protobuf.Struct').fields.fields).toBeInstanceOf(protobuf.MapField);
  expect(lookupMessage('AttributeContext.HttpRequest').fields.headers).toBeInstanceOf(protobuf.MapField);
});
