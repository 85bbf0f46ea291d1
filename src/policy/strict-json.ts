import { isUtf8 } from 'node:buffer';
import { type ParseErrorCode, printParseErrorCode, visit } from 'jsonc-parser';
import { SandgateError, type SandgateErrorOptions } from '../errors.ts';

/** Why a text is refused; `line` and `column` count from 1. `problem` never quotes the text. */
export interface JsonFault {
  problem: string;
  line: number;
  column: number;
}

/** A policy has five levels, and an array of them six. */
const DEPTH_MAX = 32;

/**
 * Reads strict JSON in linear time. Repeated keys are refused, because parsers disagree on which one counts, and so is
 * nesting beyond 32 levels. `valuesMax`: most keys and values; undefined if the caller has limited the text enough.
 */
export function parseStrictJson(text: string, valuesMax?: number): { value: unknown } | { fault: JsonFault } {
  const fault = findFault(text, valuesMax);
  if (fault !== undefined) return { fault };
  try {
    return { value: JSON.parse(text) as unknown };
  } catch {
    return { fault: { problem: 'syntax error', line: 1, column: 1 } };
  }
}

/**
 * The same for JSON that Sandgate itself writes: stored records and answers of the policy API. A text that its value
 * prints as has no repeated key; only another text, which another program wrote, is read the slow way.
 */
export function parseOwnJson(text: string): ReturnType<typeof parseStrictJson> {
  try {
    const value: unknown = JSON.parse(text);
    if (JSON.stringify(value) === text) return { value };
  } catch {
    // Not JSON, or nested too deep to be printed.
  }
  return parseStrictJson(text);
}

/**
 * The value of a text that people or programs give, named `source` in errors. Throws INPUT_INVALID that names line and
 * column, both from 1, also for bytes that are not UTF-8: decoding them anyway would store something else than was given.
 */
export function readJson(bytes: Buffer, source: string, options: SandgateErrorOptions = {}): unknown {
  if (!isUtf8(bytes)) throw new SandgateError('INPUT_INVALID', `${source} is not UTF-8`, options);
  const read = parseStrictJson(bytes.toString('utf8'));
  if ('value' in read) return read.value;
  throw new SandgateError('INPUT_INVALID', `${source} ${notJson(read.fault)}`, options);
}

/** The fault as the end of a sentence. */
export function notJson({ problem, line, column }: JsonFault): string {
  return `is not JSON: ${problem} at line ${line}, column ${column}`;
}

/** Thrown through the parser, to end it at the first fault. */
class Found {
  readonly fault: JsonFault;

  constructor(fault: JsonFault) {
    this.fault = fault;
  }
}

function findFault(text: string, valuesMax = Number.POSITIVE_INFINITY): JsonFault | undefined {
  const found = (problem: string, line: number, character: number): never => {
    throw new Found({ problem, line: line + 1, column: character + 1 });
  };
  /** The keys of each open object; undefined for an array. */
  const open: (Set<string> | undefined)[] = [];
  let values = 0;
  const count = (line: number, character: number) => {
    if (++values > valuesMax) found(`more than ${valuesMax} keys and values`, line, character);
  };
  const begin = (keys: Set<string> | undefined, line: number, character: number) => {
    if (open.push(keys) > DEPTH_MAX) found(`more than ${DEPTH_MAX} levels`, line, character);
    count(line, character);
  };
  const end = () => void open.pop();
  try {
    visit(
      text,
      {
        onObjectBegin: (_offset, _length, line, character) => begin(new Set(), line, character),
        onArrayBegin: (_offset, _length, line, character) => begin(undefined, line, character),
        onObjectEnd: end,
        onArrayEnd: end,
        onObjectProperty(name, _offset, _length, line, character) {
          const keys = open.at(-1);
          if (keys?.has(name)) found('duplicate key', line, character);
          keys?.add(name);
          count(line, character);
        },
        onLiteralValue: (_value, _offset, _length, line, character) => count(line, character),
        onError: (error, _offset, _length, line, character) => found(wordsFor(error), line, character),
      },
      { disallowComments: true, allowTrailingComma: false, allowEmptyContent: false },
    );
    return undefined;
  } catch (thrown) {
    if (thrown instanceof Found) return thrown.fault;
    throw thrown;
  }
}

function wordsFor(error: ParseErrorCode): string {
  return printParseErrorCode(error)
    .replace(/([a-z])([A-Z])/g, '$1 $2')
    .toLowerCase();
}
