// How the source is cut into files, before and after a change.
// usage: npm run structure [-- CHECKOUT [CHECKOUT]]: this checkout, another one, or two side by side (before, after)
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, posix } from 'node:path';
import { fileURLToPath } from 'node:url';

/**
 * @typedef {{ from: string, to: string, type: boolean }} Import Paths inside the checkout; `type`: erased by the compiler.
 * @typedef {{ name: string, lines: number, text: string }} Source `text`: without comments.
 * @typedef {{ files: number, median: number, tiny: string[], largest: { name: string, lines: number }[], cycles: string[][], duplicates: string[], loose: Record<string, string[]> }} Structure
 */

/** The folders that the figures are about. */
export const FOLDERS = /** @type {const} */ (['src', 'local-cloud']);

/** A file this short is usually better off inside its importer. */
const TINY_LINES = 15;
const LARGEST_SHOWN = 8;

/** Ways to make the compiler believe something; each finds a file once for each use. */
const LOOSE = {
  'as unknown as': /\bas unknown as\b/g,
  'as any': /\bas any\b/g,
  'as never': /\bas never\b/g,
  'Record<string, unknown>': /\bRecord<string, unknown>/g,
};

/** @param {string} checkout @param {string} folder @returns {Source[]} */
export function sourcesOf(checkout, folder) {
  const names = readdirSync(join(checkout, folder), { recursive: true, encoding: 'utf8' });
  return names
    .filter((name) => name.endsWith('.ts') && !name.endsWith('.d.ts'))
    .sort()
    .map((name) => {
      const text = readFileSync(join(checkout, folder, name), 'utf8');
      const lines = text.split('\n').length - 1;
      return { name: posix.join(folder, name), lines, text: withoutComments(text) };
    });
}

/** Strings stay, since imports are strings. @param {string} text */
function withoutComments(text) {
  const token =
    /'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*"|`(?:[^`\\]|\\.)*`|\/\*[\s\S]*?\*\/|(?<![:\\[/])\/\/.*/g;
  return text.replace(token, (found) => (found.startsWith('/') ? '' : found));
}

const CLAUSE = /\{[^}]*\}|\*(?: as [\w$]+)?|[\w$]+(?:,\s*\{[^}]*\})?/.source;
const STATIC = new RegExp(`^(?:import|export)\\s+(type\\s+)?(${CLAUSE})\\s+from\\s+'([^']+)'`, 'gm');
const SIDE_EFFECT = /^import\s+'([^']+)'/gm;
const DYNAMIC = /(\btypeof\s+)?\bimport\('([^']+)'\)(\.[A-Z])?/g;

/** Imports of other files of the checkout. @param {Source} source @returns {Import[]} */
export function importsOf({ name, text }) {
  const found = [
    ...[...text.matchAll(STATIC)].map(([, type, clause = '', path = '']) => ({
      path,
      type: type !== undefined || onlyTypes(clause),
    })),
    ...[...text.matchAll(SIDE_EFFECT)].map(([, path = '']) => ({ path, type: false })),
    ...[...text.matchAll(DYNAMIC)].map(([, type, path = '', member]) => ({
      path,
      type: type !== undefined || member !== undefined,
    })),
  ];
  return found.flatMap(({ path, type }) => {
    const to = resolved(name, path);
    return to === undefined ? [] : [{ from: name, to, type }];
  });
}

/** Whether each name in braces is marked `type`. @param {string} clause */
function onlyTypes(clause) {
  if (!clause.startsWith('{')) return false;
  const names = clause
    .slice(1, -1)
    .split(',')
    .map((one) => one.trim());
  return names.every((one) => one === '' || one.startsWith('type '));
}

/** @param {string} from @param {string} path */
function resolved(from, path) {
  if (path.startsWith('#src/')) return path.replace('#', '').replace(/\.js$/, '.ts');
  return path.startsWith('.') ? posix.join(dirname(from), path) : undefined;
}

/** Groups of files that import one another by value, directly or through others (Tarjan). @param {Import[]} imports */
export function cyclesOf(imports) {
  /** @type {Map<string, string[]>} */
  const next = new Map();
  for (const { from, to, type } of imports) if (!type) next.set(from, [...(next.get(from) ?? []), to]);
  /** @type {Map<string, { index: number, low: number, open: boolean }>} */
  const seen = new Map();
  /** @type {string[]} */
  const stack = [];
  /** @type {string[][]} */
  const cycles = [];
  /** @param {string} name */
  const visit = (name) => {
    const node = { index: seen.size, low: seen.size, open: true };
    seen.set(name, node);
    stack.push(name);
    for (const to of next.get(name) ?? []) {
      const other = seen.get(to) ?? visit(to);
      if (other.open) node.low = Math.min(node.low, other.low);
    }
    if (node.low === node.index) {
      const group = stack.splice(stack.indexOf(name));
      for (const member of group) Object.assign(seen.get(member) ?? {}, { open: false });
      if (group.length > 1 || next.get(name)?.includes(name)) cycles.push(group.sort());
    }
    return node;
  };
  for (const name of next.keys()) if (!seen.has(name)) visit(name);
  return cycles;
}

/** @param {Source[]} sources @returns {Structure} */
export function structureOf(sources) {
  const byLength = sources.toSorted((a, b) => b.lines - a.lines);
  const names = sources.map(({ name }) => posix.basename(name));
  return {
    files: sources.length,
    median: byLength[Math.floor(byLength.length / 2)]?.lines ?? 0,
    tiny: sources.filter(({ lines }) => lines <= TINY_LINES).map(({ name }) => name),
    largest: byLength.slice(0, LARGEST_SHOWN).map(({ name, lines }) => ({ name, lines })),
    cycles: cyclesOf(sources.flatMap(importsOf)),
    duplicates: [...new Set(names.filter((name, index) => names.indexOf(name) !== index))].sort(),
    loose: Object.fromEntries(
      Object.entries(LOOSE).map(([what, pattern]) => [
        what,
        sources.flatMap(({ name, text }) => (text.match(pattern) ?? []).map(() => name)),
      ]),
    ),
  };
}

/** @param {Structure} structure @returns {[what: string, value: string][]} */
function rowsOf({ files, median, tiny, largest, cycles, duplicates, loose }) {
  return [
    ['files', String(files)],
    ['median lines', String(median)],
    [`files of ${TINY_LINES} lines or fewer`, String(tiny.length)],
    ['value cycles', String(cycles.length)],
    ['file names used twice', String(duplicates.length)],
    ...Object.entries(loose).map(
      ([what, uses]) => /** @type {[string, string]} */ ([what, String(uses.length)]),
    ),
    ...largest.map(
      ({ name, lines }, index) =>
        /** @type {[string, string]} */ ([`largest, ${index + 1}`, `${lines} ${name}`]),
    ),
  ];
}

/** @param {string[]} checkouts */
function print(checkouts) {
  for (const folder of FOLDERS) {
    const columns = checkouts.map((checkout) => rowsOf(structureOf(sourcesOf(checkout, folder))));
    console.log(`${folder}/`);
    for (const [index, [what]] of (columns[0] ?? []).entries()) {
      const values = columns.map((rows) => rows[index]?.[1] ?? '');
      console.log(
        `  ${what.padEnd(28)}${values
          .map((value) => value.padEnd(48))
          .join('')
          .trimEnd()}`,
      );
    }
  }
  const last = structureOf(FOLDERS.flatMap((folder) => sourcesOf(checkouts.at(-1) ?? '', folder)));
  for (const cycle of last.cycles) console.log(`cycle: ${cycle.join(', ')}`);
}

const self = fileURLToPath(import.meta.url);
if (process.argv[1] === self) {
  const checkouts = process.argv.slice(2);
  print(checkouts.length > 0 ? checkouts : [join(dirname(self), '..')]);
}
