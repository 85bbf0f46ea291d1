import { expect, test } from 'vitest';
import { traceIdOf } from '../../src/observe/log-fields.ts';

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const SPAN = '00f067aa0ba902b7';

test.each([
  ['version 00', `00-${TRACE}-${SPAN}-01`],
  ['a later version', `cc-${TRACE}-${SPAN}-01`],
  ['a later version with more fields', `cc-${TRACE}-${SPAN}-01-what-the-future-will-be-like`],
])('%s gives its trace id', (_form, traceparent) => {
  expect(traceIdOf(traceparent)).toBe(TRACE);
});

test.each([
  ['nothing', ''],
  ['version 00 with more fields', `00-${TRACE}-${SPAN}-01-x`],
  ['a later version with something glued on', `cc-${TRACE}-${SPAN}-01x`],
  ['version ff', `ff-${TRACE}-${SPAN}-01`],
  ['a trace id of zeros', `00-${'0'.repeat(32)}-${SPAN}-01`],
  ['a span id of zeros', `00-${TRACE}-${'0'.repeat(16)}-01`],
  ['upper case', `00-${TRACE.toUpperCase()}-${SPAN}-01`],
  ['a trace id cut short', `00-${TRACE.slice(1)}-${SPAN}-01`],
  ['two of them', `00-${TRACE}-${SPAN}-01, 00-${TRACE}-${SPAN}-01`],
  ['a line break at its end', `00-${TRACE}-${SPAN}-01\n`],
])('%s gives none', (_form, traceparent) => {
  expect(traceIdOf(traceparent)).toBeUndefined();
});
