import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { PACKAGE_ROOT } from '../../src/package-root.ts';

const page = readFileSync(join(PACKAGE_ROOT, 'docs', 'threats.md'), 'utf8');
const rows = [...page.matchAll(/^\| ([A-Z]\d+) \|.*\| ([^|]+) \|$/gm)].map(([, id = '', tests = '']) => ({
  id,
  files: [...tests.matchAll(/\]\(\.\.\/([^)]+)\)/g)].map(([, file = '']) => file),
  quoted: [...tests.matchAll(/"([^"]+)"/g)].map(([, title = '']) => title),
}));

/** Titles of `describe`, `it` and `test`, those of tables included. */
function titlesOf(file: string): string[] {
  const source = readFileSync(join(PACKAGE_ROOT, file), 'utf8');
  const calls =
    /\b(?:describe|it|test)(?:\.\w+)*(?:\((?!['"`])[\s\S]*?\)|<[\s\S]*?\]\))?\(\s*(['"`])(.*?)\1/g;
  return [...source.matchAll(calls)].map(([, , title = '']) => title);
}

describe('docs/threats.md', () => {
  it('lists attacks under ids that are unique and without a gap', () => {
    const ids = rows.map(({ id }) => id);
    expect(ids).toEqual([...new Set(ids)]);
    expect(ids.length).toBeGreaterThan(40);
    ids.forEach((id, index) => {
      const before = ids[index - 1];
      const follows = before?.[0] === id[0] ? `${id[0]}${Number(before?.slice(1)) + 1}` : `${id[0]}1`;
      expect(id).toBe(follows);
    });
    expect(page.match(/^\| [A-Z]\d/gm)).toHaveLength(rows.length);
  });

  it.each(rows)('$id names a test that exists', ({ id, files, quoted }) => {
    expect(files.length).toBeGreaterThan(0);
    const titles = files.flatMap(titlesOf);
    for (const title of quoted) expect(titles).toContain(title);
    const carriesId = titles.some((title) => new RegExp(`\\b${id}\\b`).test(title));
    expect(carriesId || quoted.length > 0, titles.join('\n')).toBe(true);
  });

  it('names every file of test/attack/', () => {
    const files = readdirSync(join(PACKAGE_ROOT, 'test', 'attack'), { recursive: true, encoding: 'utf8' });
    const tests = files.filter((name) => name.endsWith('.test.ts')).map((name) => `test/attack/${name}`);
    expect([...new Set(rows.flatMap((row) => row.files))]).toEqual(expect.arrayContaining(tests));
  });
});
