import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { PACKAGE_ROOT } from '../../src/package-root.ts';
import {
  FORWARDED_HOST_HEADER,
  REASON_HEADER,
  REQUEST_HEADERS,
  STREAM_DURATION_HEADER,
} from '../../src/target/headers.ts';

/** Those of one word, such as `origin`, are field names too. */
const NAMES = [
  ...Object.values(REQUEST_HEADERS),
  FORWARDED_HOST_HEADER,
  REASON_HEADER,
  STREAM_DURATION_HEADER,
].filter((name) => name.includes('-'));

/** The self-test repeats the names on purpose; the agent runs inside a sandbox and imports nothing of `src/`. */
const EXEMPT = ['src/target/headers.ts', 'src/check/self-test.ts', 'local-cloud/agent/'];

function sourceFiles(): string[] {
  return ['src', 'local-cloud'].flatMap((folder) =>
    readdirSync(`${PACKAGE_ROOT}${folder}`, { recursive: true, encoding: 'utf8' })
      .map((file) => join(folder, file))
      .filter((file) => file.endsWith('.ts') && !EXEMPT.some((path) => file.startsWith(path))),
  );
}

/** A string that is the name, or a header line that begins with it. Sentences about a header may name it. */
const literalOf = (name: string) => new RegExp(`['"]${name}['"]|['"\`]${name}:`);

it('header names that the gate reads or sets are spelled in src/target/headers.ts alone', () => {
  const files = sourceFiles();
  expect(files.length).toBeGreaterThan(150);
  const second = files.flatMap((file) => {
    const text = readFileSync(PACKAGE_ROOT + file, 'utf8');
    return NAMES.filter((name) => literalOf(name).test(text)).map((name) => `${file}: ${name}`);
  });
  expect(second).toEqual([]);
});

it('a second spelling would be found, in code and in a command line', () => {
  expect(literalOf(REQUEST_HEADERS.token).test("curl -H 'e2b-traffic-access-token: x'")).toBe(true);
  expect(literalOf(REQUEST_HEADERS.token).test("headers.get('e2b-traffic-access-token')")).toBe(true);
});
