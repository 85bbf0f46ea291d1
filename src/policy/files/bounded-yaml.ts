import { CST, isScalar, Lexer, LineCounter, type Pair, parseDocument, visit } from 'yaml';
import { SandgateError } from '../../errors.ts';

/**
 * The parser takes several microseconds per token, and much longer for deep nesting; the gate answers nothing meanwhile.
 * So the text is measured first, by the parser's own lexer, which stops at the first limit that is exceeded. A policy
 * with 64 access tokens of six fields each has 400 lines and 4,000 words and marks. JSON has wider limits.
 */
export const YAML_LIMITS = {
  /** In characters. */
  size: 128 * 1024,
  lines: 4096,
  /** Words and punctuation marks as YAML counts them, spaces and line ends included. */
  tokens: 8000,
  /** Open brackets, and indicators such as `- - -` on one line. */
  depth: 16,
  /** Spaces at the start of a line; block collections nest by them. */
  indent: 32,
} as const;

/** Reads one YAML document without aliases and without repeated keys. Throws INPUT_INVALID. */
export function parseBoundedYaml(text: string): unknown {
  const lines = new LineCounter();
  const at = (offset: number, fault: string) => {
    const { line, col } = lines.linePos(offset);
    return yamlInvalid(`line ${line}, column ${col}: ${fault}`);
  };
  measure(text);
  // `uniqueKeys` would compare each key with each other one.
  const options = { prettyErrors: false, lineCounter: lines, uniqueKeys: false };
  const document = parseDocument(text, options);
  const fault = document.errors[0] ?? document.warnings[0];
  if (fault !== undefined) throw at(fault.pos[0], fault.code);
  visit(document, {
    Map(_, { items, range }) {
      const keys = new Set<string>();
      for (const { key } of items as Pair[]) {
        if (!isScalar(key)) throw at(range?.[0] ?? 0, 'NON_STRING_KEY');
        const name = String(key.value);
        if (keys.has(name)) throw at(key.range?.[0] ?? 0, 'DUPLICATE_KEY');
        keys.add(name);
      }
    },
  });
  return document.toJS({ maxAliasCount: 0 });
}

/** Throws INPUT_INVALID if a limit is exceeded. Takes linear time. */
function measure(text: string): void {
  const { size, lines: linesMax, tokens: tokensMax, depth, indent } = YAML_LIMITS;
  if (text.length > size) throw tooMuch(`larger than ${size / 1024} KiB`);
  let lines = 1;
  for (let end = text.indexOf('\n'); end !== -1; end = text.indexOf('\n', end + 1)) lines++;
  if (lines > linesMax) throw tooMuch(`more than ${linesMax} lines`);
  let tokens = 0;
  let brackets = 0;
  let indicators = 0;
  let startsLine = true;
  for (const token of new Lexer().lex(text)) {
    if (++tokens > tokensMax) throw tooMuch(`more than ${tokensMax} words and punctuation marks`);
    const type = CST.tokenType(token);
    switch (type) {
      case 'newline':
        indicators = 0;
        break;
      case 'space':
        if (startsLine && token.length > indent) throw tooMuch(`a line is indented by more than ${indent}`);
        break;
      case 'flow-map-start':
      case 'flow-seq-start':
        brackets++;
        break;
      case 'flow-map-end':
      case 'flow-seq-end':
        brackets = Math.max(0, brackets - 1);
        break;
      case 'seq-item-ind':
      case 'explicit-key-ind':
        indicators++;
        break;
      case 'alias':
        // A few lines of them can expand to gigabytes.
        throw yamlInvalid('YAML aliases are not accepted');
    }
    startsLine = type === 'newline';
    if (brackets > depth || indicators > depth) throw tooMuch(`nested more than ${depth} levels deep`);
  }
}

function tooMuch(limit: string): SandgateError {
  return yamlInvalid(`${limit}, the limit for YAML; write a policy this large as JSON`);
}

function yamlInvalid(reason: string): SandgateError {
  return new SandgateError('INPUT_INVALID', `cannot be read as YAML or JSON: ${reason}`);
}
