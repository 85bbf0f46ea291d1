import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { PACKAGE_ROOT } from '../src/package-root.ts';

/** A literal in an error, and where it is. */
interface Literal {
  kind: 'message' | 'remedy';
  text: string;
  place: string;
}

const TEXT = /(?:'((?:[^'\\\n]|\\.)*)'|"((?:[^"\\\n]|\\.)*)"|`((?:[^`\\]|\\.)*)`)/;
const MESSAGE = new RegExp(`new SandgateError\\(\\s*'[A-Z_]+',\\s*${TEXT.source}`, 'g');
const REMEDY = new RegExp(`\\bremedy(?::|\\s*=)\\s*${TEXT.source}`, 'g');

function* literals(folder: string): Iterable<Literal> {
  for (const name of readdirSync(join(PACKAGE_ROOT, folder), { recursive: true, encoding: 'utf8' })) {
    if (!name.endsWith('.ts')) continue;
    const source = readFileSync(join(PACKAGE_ROOT, folder, name), 'utf8');
    for (const [kind, pattern] of [['message', MESSAGE] as const, ['remedy', REMEDY] as const]) {
      for (const match of source.matchAll(pattern)) {
        const text = match[1] ?? match[2] ?? match[3] ?? '';
        const line = source.slice(0, match.index).split('\n').length;
        yield { kind, text, place: `${folder}/${name}:${line}: ${text}` };
      }
    }
  }
}

const all = [...literals('src'), ...literals('local-cloud')];

/** Names that keep their capital at the start of a message. */
const NAMES = /^(Envoy|Node|Python|SANDGATE_|E2B|SIGHUP|`)/;

it('errors are found in the sources', () => {
  expect(all.filter(({ kind }) => kind === 'message').length).toBeGreaterThan(60);
  expect(all.filter(({ kind }) => kind === 'remedy').length).toBeGreaterThan(60);
});

it('messages and remedies start in lower case, except with a name', () => {
  const wrong = all.filter(({ text }) => /^[A-Z]/.test(text) && !NAMES.test(text));
  expect(wrong.map(({ place }) => place)).toEqual([]);
});

it('messages and remedies end without a full stop', () => {
  const wrong = all.filter(({ text }) => /[^.]\.$/.test(text));
  expect(wrong.map(({ place }) => place)).toEqual([]);
});
