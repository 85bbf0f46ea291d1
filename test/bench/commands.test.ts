import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { gateOf } from '../../bench/stack/gates.mjs';
import { PACKAGE_ROOT } from '../../src/package-root.ts';

const COMMANDS = join(PACKAGE_ROOT, 'bench', 'commands');
const names = readdirSync(COMMANDS).map((file) => file.replace('.mjs', ''));
const run = (...args: string[]) =>
  spawnSync(process.execPath, [join(PACKAGE_ROOT, 'scripts', 'bench.mjs'), ...args], { encoding: 'utf8' });

describe('npm run bench', () => {
  it.each([[], ['--help']])('lists every benchmark: %j', (...args) => {
    const { status, stdout } = run(...args);
    expect(status).toBe(0);
    const listed = [...stdout.matchAll(/^ {2}([a-z]+) +\S/gm)].map(([, name]) => name);
    expect(listed.sort()).toEqual(names.sort());
  });

  it('does not know any other name', () => {
    const { status, stderr } = run('chekc');
    expect(status).toBe(2);
    expect(stderr).toContain("unknown benchmark 'chekc'");
  });

  it.each(names)('%s says how it is called', (name) => {
    const source = readFileSync(join(COMMANDS, `${name}.mjs`), 'utf8');
    expect(source).toMatch(new RegExp(`^// usage: npm run bench -- ${name}( |$)`, 'm'));
  });
});

describe('the gate of another checkout', () => {
  let checkout: string;
  beforeAll(() => {
    checkout = mkdtempSync(join(tmpdir(), 'sandgate-checkout-'));
  });
  afterAll(() => rmSync(checkout, { recursive: true }));

  it('must have been built', async () => {
    await expect(gateOf(checkout)).rejects.toThrow(`${checkout} is not a checkout that was built`);
  });

  it.each([
    ['--policy-api <unix:path|host:port|off>', '--policy-api=off'],
    ['--admin <unix:path|host:port|off>', '--admin=off'],
  ])('runs without a policy API, which it calls %s', async (flag, off) => {
    mkdirSync(join(checkout, 'dist'), { recursive: true });
    writeFileSync(join(checkout, 'package.json'), '{"type":"module"}');
    writeFileSync(join(checkout, 'dist', 'heap.js'), "export const GATE_NODE_FLAGS = ['--some-flag'];");
    writeFileSync(join(checkout, 'dist', 'settings.js'), `export const SETTINGS = [{ flag: '${flag}' }];`);
    expect(await gateOf(checkout)).toEqual({
      program: ['--some-flag', join(checkout, 'bin', 'sandgate.js'), 'serve'],
      adminFlag: off,
    });
  });
});
