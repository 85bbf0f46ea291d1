import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './stack/workspace.mjs';

/** The figures from which the pages are drawn; committed. */
export const PUBLISHED = join(root, 'bench', 'published');

/** @param {string} name @param {object} figures @param {boolean} publish @returns {string} The file. */
export function saveResults(name, figures, publish) {
  const folder = publish ? PUBLISHED : join(root, 'bench', 'results');
  mkdirSync(folder, { recursive: true });
  const file = join(folder, `${name}.json`);
  writeFileSync(file, compact(figures));
  return file;
}

/** A published measurement, or undefined if there is none. @param {string} name */
export function publishedResults(name) {
  const file = join(PUBLISHED, `${name}.json`);
  return existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : undefined;
}

/** Four significant digits, and one list item per line, for small files with readable diffs. @param {object} figures */
export function compact(figures) {
  const rounded = JSON.parse(
    JSON.stringify(figures, (_key, value) =>
      typeof value === 'number' && !Number.isInteger(value) ? Number(value.toPrecision(4)) : value,
    ),
  );
  const parts = Object.entries(rounded).map(([key, value]) => {
    const rows = Array.isArray(value) && typeof value[0] === 'object' && value.length > 0;
    const text = rows
      ? `[\n${value.map((row) => `  ${JSON.stringify(row)}`).join(',\n')}\n]`
      : JSON.stringify(value);
    return `${JSON.stringify(key)}: ${text}`;
  });
  return `{\n${parts.join(',\n')}\n}\n`;
}
