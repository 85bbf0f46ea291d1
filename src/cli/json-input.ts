import { type ParseError, parse, printParseErrorCode } from 'jsonc-parser';
import { SandgateError } from '../errors.ts';

/** Parses strict JSON. Throws INPUT_INVALID that names line and column, both from 1. */
export function parseJsonInput(text: string, source: string): unknown {
  if (text.trim() === '') {
    throw new SandgateError('INPUT_INVALID', `${source} is empty`, {
      remedy: 'give one policy record, or an array of them',
    });
  }
  try {
    return JSON.parse(text);
  } catch (cause) {
    const { line, column, problem } = locate(text);
    throw new SandgateError(
      'INPUT_INVALID',
      `${source} is not JSON: ${problem} at line ${line}, column ${column}`,
      {
        remedy: 'give one policy record, or an array of them',
        cause,
      },
    );
  }
}

/** JSON.parse does not always say where. */
function locate(text: string): { line: number; column: number; problem: string } {
  const errors: ParseError[] = [];
  parse(text, errors, { disallowComments: true, allowTrailingComma: false, allowEmptyContent: false });
  const first = errors[0];
  const before = text.slice(0, first?.offset ?? 0);
  const problem = first === undefined ? 'syntax error' : printParseErrorCode(first.error);
  return {
    line: before.split('\n').length,
    column: before.length - before.lastIndexOf('\n'),
    problem: problem.replace(/([a-z])([A-Z])/g, '$1 $2').toLowerCase(),
  };
}
