import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { parseDocument, stringify } from 'yaml';
import { parseBoundedYaml } from '../../../src/policy/files/bounded-yaml.ts';
import { readPolicyFile } from '../../../src/policy/files/policy-file.ts';
import { PolicyFolder } from '../../../src/policy/files/policy-folder.ts';
import { digestOf, FakeClock, rules } from '../sample.ts';

const folder = mkdtempSync(join(tmpdir(), 'sandgate-hostile-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** `count` copies of a part of a document; `#` becomes the number of the copy. */
const many = (count: number, part: string) =>
  Array.from({ length: count }, (_, n) => part.replaceAll('#', String(n))).join('');
const faultOf = async (name: string, content: string | Buffer) => {
  writeFileSync(join(folder, name), content);
  const read = await readPolicyFile(join(folder, name), 'sbx1', rules, new FakeClock());
  return 'fault' in read ? read.fault : undefined;
};

/** A policy with everything that the schema allows, at its limit. */
const largest = {
  sandboxId: 'sbx1',
  runtime: { route: { address: '10.0.3.7' } },
  access: {
    tokens: Array.from({ length: 64 }, (_, n) => ({
      id: `${n}`.padStart(64, 'i'),
      sha256: digestOf(`${n}`),
      label: 'l'.repeat(128),
      createdAt: '2026-01-01T00:00:00.000Z',
      expiresAt: '2030-01-01T00:00:00.000Z',
      ports: Array.from({ length: 256 }, (_, port) => 65_000 + port),
      incarnation: 'i'.repeat(64),
    })),
    revoked: Array.from({ length: 1024 }, (_, n) => digestOf(`revoked ${n}`)),
  },
};

describe('E6: a YAML file that is slow to parse', () => {
  it.each([
    ['with 28,000 keys, 139 KB', many(28_000, 'k#:\n'), /larger than 128 KiB/],
    ['with keys on many lines', many(5000, 'k#: 1\n'), /more than 4096 lines/],
    ['with a map on one line', `{${many(5000, 'k#: 1,')}}`, /more than 8000 words/],
    ['with keys alone on one line', `{${many(9000, 'k#,')}}`, /more than 8000 words/],
    ['with a list on one line', `[${many(9000, '1,')}]`, /more than 8000 words/],
    ['with commas', `[${','.repeat(100_000)}]`, /more than 8000 words/],
    ['with deep lists', `${'['.repeat(1000)}`, /more than 16 levels/],
    ['with deep maps and lists', `${'{['.repeat(1000)}`, /more than 16 levels/],
    ['with deep keys', `${'{a: '.repeat(1000)}`, /more than 16 levels/],
    ['with dashes in a line', `${'- '.repeat(1000)}x`, /more than 16 levels/],
    ['with question marks in a line', `${'? '.repeat(1000)}x`, /more than 16 levels/],
    [
      'with deep indentation',
      Array.from({ length: 300 }, (_, n) => `${' '.repeat(n)}a:`).join('\n'),
      /indented/,
    ],
    ['with anchors and aliases', many(900, '- &a# x\n- *a#\n'), /aliases are not accepted/],
    ['with anchors', many(3000, '- &a# x\n'), /more than 8000 words/],
    ['with documents', many(3000, '---\nx\n'), /more than 4096 lines/],
    ['with comments', many(5000, '# c\n'), /more than 4096 lines/],
    ['with comments and keys', many(3000, 'k#: 1 # c\n'), /more than 8000 words/],
    ['with a long block', `a: |\n${many(5000, '  x\n')}`, /more than 4096 lines/],
    ['with a long folded text', `a: >\n${many(5000, '  x\n\n')}`, /more than 4096 lines/],
    ['with a long quoted text', `a: "${'x'.repeat(140_000)}"`, /larger than 128 KiB/],
    ['with errors', many(4000, ': ]\n'), /more than 8000 words/],
    ['with tabs', many(3000, '\tb: 1\n'), /more than 8000 words/],
    ['with directives', `${many(5000, '%FOO x\n')}---\na: 1\n`, /more than 4096 lines/],
    ['with tags', `[${many(4000, '!!str x,')}]`, /more than 8000 words/],
    ['with empty lines', '\n'.repeat(100_000), /more than 4096 lines/],
  ])('%s is refused before it is parsed, and the reason names the limit', async (_, text, reason) => {
    expect(await faultOf('sbx1.yaml', text)).toMatch(reason);
  });

  it('with a key twice is refused, wherever it is and however it is written', () => {
    for (const text of [
      'a: 1\na: 2',
      'x: [{a: 1, "a": 2}]',
      '? a\n: 1\n? a\n: 2',
      '1: a\n"1": b',
      '"\\x61": 1\na: 2',
    ])
      expect(() => parseBoundedYaml(text), text).toThrow(/line \d, column \d+: DUPLICATE_KEY/);
    for (const text of ['[a]: 1', '? {a: 1}\n: 2'])
      expect(() => parseBoundedYaml(text), text).toThrow('NON_STRING_KEY');
  });

  it('within the limits is read as the parser reads it', () => {
    const texts = [
      'a: 1\nb: [x, {c: d}]\n',
      '- |\n a\n  b\n- >-\n c\n\n d\n',
      '"a": \'b\'\n',
      '# c\n',
      '',
      '&a x\n',
    ];
    for (const text of texts) expect(parseBoundedYaml(text)).toEqual(parseDocument(text).toJS());
    const { tokens, revoked } = largest.access;
    const full = {
      ...largest,
      access: { tokens: tokens.map((one) => ({ ...one, ports: [80] })), revoked: revoked.slice(9e9) },
    };
    expect(parseBoundedYaml(stringify(full))).toEqual(full);
  });
});

describe('E6: a JSON file that is slow to parse', () => {
  it.each([
    ['with 40,000 keys', `{${many(40_000, '"k#":1,')}"z":1}`, /more than 32768 keys and values/],
    ['with 40,000 values', `[${many(40_000, '1,')}1]`, /more than 32768 keys and values/],
    ['with deep lists', `${'['.repeat(10_000)}${']'.repeat(10_000)}`, /more than 32 levels/],
    ['with deep lists that never end', '['.repeat(400_000), /more than 32 levels/],
    ['with a long text', JSON.stringify(['x'.repeat(600_000)]), /larger than 512 KiB/],
    ['with a key twice', '{"a":[{"k":1,"\\u006b":2}]}', /line 1, column 14: duplicate key/],
    ['with a comment', '{}\n// c', /line 2, column 1: invalid comment token/],
    ['with a trailing comma', '{"a":1,}', /line 1, column 8/],
    ['with a control character', '"\u0001"', /invalid character/],
  ])('%s is refused, and the reason says why', async (_, text, reason) => {
    expect(await faultOf('sbx1.json', text)).toMatch(reason);
  });

  it('may be the largest possible policy, one value per line', async () => {
    expect(await faultOf('sbx1.json', JSON.stringify(largest, undefined, 2))).toBeUndefined();
  });
});

it('E6: a file of either kind that is not UTF-8 is refused', async () => {
  const bytes = Buffer.from('sandboxId: sbx1 # \xff\n', 'latin1');
  for (const name of ['sbx1.yaml', 'sbx1.json']) expect(await faultOf(name, bytes)).toMatch(/not UTF-8/);
});

it('E6: between any two files of a folder, everything else gets its turn', async () => {
  const full = mkdtempSync(join(folder, 'full-'));
  const files = 50;
  for (let n = 0; n < files; n++) writeFileSync(join(full, `sbx${n}.yaml`), many(1500, 'k#: 1\n'));
  let turns = 0;
  const count = () => {
    turns++;
    next = setImmediate(count);
  };
  let next = setImmediate(count);
  const entries = await new PolicyFolder(full, rules, new FakeClock()).scan();
  clearImmediate(next);
  expect(entries.size).toBe(files);
  expect(turns).toBeGreaterThan(files);
});
