import { readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { cyclesOf, importsOf, sourcesOf } from '../../scripts/structure.mjs';
import { PACKAGE_ROOT } from '../../src/package-root.ts';

const sources = sourcesOf(PACKAGE_ROOT, 'src');
const imports = sources.flatMap(importsOf);

/** `decision/` for `src/decision/decide.ts`, `app.ts` for `src/app.ts`. */
function partOf(file: string): string {
  const [, first = '', ...rest] = file.split('/');
  return rest.length > 0 ? `${first}/` : first;
}

interface Row {
  except: boolean;
  /** Base files are not allowed unless they are listed. */
  only: boolean;
  values: string[];
  types: string[];
}

const page = readFileSync(join(PACKAGE_ROOT, 'ARCHITECTURE.md'), 'utf8');
const [, body = ''] = /\| part \| holds \| may import \|\n.*\n((?:\|.*\n)+)/.exec(page) ?? [];
const cells = body
  .trim()
  .split('\n')
  .map((line) => line.split(' | ').map((cell) => cell.replace(/^\| | ?\|$/g, '')));
const base = namesIn(cells.find(([, , mayImport]) => mayImport === 'each other')?.[0] ?? '');
const rows = new Map<string, Row>(
  cells.flatMap(([parts = '', , mayImport = '']) => namesIn(parts).map((part) => [part, rowOf(mayImport)])),
);

function namesIn(cell: string): string[] {
  return [...cell.matchAll(/`([^`]+)`/g)].map(([, name = '']) => name);
}

function rowOf(cell: string): Row {
  const types = [...cell.matchAll(/type `([^`]+)`/g)].map(([, name = '']) => name);
  return {
    except: cell.startsWith('everything except'),
    only: cell.startsWith('only') || cell === 'nothing',
    values: cell === 'each other' ? [] : namesIn(cell).filter((name) => !types.includes(name)),
    types,
  };
}

describe('the table of ARCHITECTURE.md', () => {
  it('has a row for each folder and file at the top of src/', () => {
    expect([...rows.keys()].sort()).toEqual([...new Set(sources.map(({ name }) => partOf(name)))].sort());
  });

  it.each([...rows])('lists what %s imports', (part, { except, only, values, types }) => {
    const outside = imports.filter(({ from, to }) => partOf(from) === part && partOf(to) !== part);
    const allowed = (to: string, type: boolean) => {
      if (except) return !values.includes(to);
      return values.includes(to) || (type && types.includes(to)) || (!only && base.includes(to));
    };
    const wrong = outside.filter(({ to, type }) => !allowed(partOf(to), type));
    expect(wrong.map(({ from, to, type }) => `${from} imports ${type ? 'type ' : ''}${to}`)).toEqual([]);
  });

  it.each([...rows].filter(([, { except }]) => !except))('lists nothing else for %s', (part, row) => {
    const outside = imports.filter(({ from }) => partOf(from) === part);
    const used = (name: string, wanted: boolean) =>
      outside.some(({ to, type }) => partOf(to) === name && type === wanted);
    expect(row.values.filter((name) => !used(name, false))).toEqual([]);
    expect(row.types.filter((name) => !used(name, true))).toEqual([]);
  });
});

describe('src/', () => {
  it('imports only files that exist', () => {
    const names = new Set(sources.map(({ name }) => name));
    expect(imports.filter(({ to }) => !names.has(to))).toEqual([]);
    expect(imports.length).toBeGreaterThan(sources.length);
  });

  it('has no import cycle', () => {
    expect(cyclesOf(imports)).toEqual([]);
  });

  it('uses no file name twice', () => {
    const names = sources.map(({ name }) => basename(name));
    expect(names.filter((name, index) => names.indexOf(name) !== index)).toEqual([]);
  });
});

// A second reader of policies would have rules of its own.
it.each(['src/policy', 'src/policy-api', 'src/cli'])(
  '%s reads JSON only with strict-json.ts, which refuses repeated keys',
  (part) => {
    const readers = sourcesOf(PACKAGE_ROOT, part).filter(({ text }) => text.includes('JSON.parse('));
    const own = ['src/policy/strict-json.ts', 'src/cli/diagnose/doctor.ts'];
    expect(readers.map(({ name }) => name).filter((name) => !own.includes(name))).toEqual([]);
  },
);
