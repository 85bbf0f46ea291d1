import { SandgateError } from '../errors.ts';
import { bytesField, type WireBytes } from './wire-writer.ts';

/** Field numbers of HeaderValueOption and HeaderValue. */
const OPTION_HEADER = 1;
const OPTION_APPEND = 2;
const HEADER_KEY = 1;
const HEADER_VALUE = 2;

/** `append: false`, said outright: Envoy 1.37.0 took silence for true (envoy#43310). */
const REPLACE = bytesField(OPTION_APPEND, '');

const NAME = /^[a-z0-9!#$%&'*+.^_`|~-]+$/;
const VALUE = /^[\x20-\x7e]*$/;
/** Envoy's own bound on a name and on a value, in bytes. */
const MAX_LENGTH = 16_384;

/**
 * A HeaderValueOption that sets a header. The value goes in `value`: Envoy ignores `raw_value` in a denied response.
 * Throws ANSWER_INVALID for anything that could end the header and start another.
 */
export function headerOption(name: string, value: string): WireBytes {
  if (!NAME.test(name) || !VALUE.test(value) || name.length > MAX_LENGTH || value.length > MAX_LENGTH) {
    throw new SandgateError(
      'ANSWER_INVALID',
      'A header of the answer has a name or value that HTTP does not allow.',
    );
  }
  const header = bytesField(HEADER_KEY, name) + bytesField(HEADER_VALUE, value);
  return bytesField(OPTION_HEADER, header) + REPLACE;
}
