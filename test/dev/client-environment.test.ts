import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  type ClientFiles,
  environmentOf,
  exportLines,
  writeClientFiles,
} from '../../src/dev/client-environment.ts';
import { runProgram, sandgate } from '../stack/command.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sandgate client '));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function files(addresses = ['127.0.0.1', '::1'], ownCas: string[] = []): ClientFiles {
  const ca = join(folder, 'ca.pem');
  writeFileSync(ca, '-----OUR CA-----\n');
  return writeClientFiles(folder, { domain: 'box.test:8443', ca, addresses }, ownCas);
}

describe('the environment of a client', () => {
  it("is printed as shell lines that quote any path and keep the user's values", async () => {
    const lines = exportLines({ A: "it's $HOME", NODE_OPTIONS: '--require "/a b.cjs"', PYTHONPATH: '/p' });
    const show = 'printf "%s|" "$A" "$NODE_OPTIONS" "$PYTHONPATH"';
    const kept = await runProgram(['sh', '-c', `NODE_OPTIONS=--x PYTHONPATH=/q; ${lines}\n${show}`]);
    expect(kept.stdout).toBe(`it's $HOME|--require "/a b.cjs" --x|/p:/q|`);
    const none = await runProgram(['sh', '-c', `unset NODE_OPTIONS PYTHONPATH; ${lines}\n${show}`]);
    expect(none.stdout).toBe(`it's $HOME|--require "/a b.cjs"|/p|`);
  });

  it('is an error with the remedy if no local cloud is running', async () => {
    const { code, stderr, stdout } = await sandgate(['env', '--state-dir', folder]);
    expect([code, stdout]).toEqual([1, '']);
    expect(stderr).toMatch(/no local cloud is running on .*\[CLOUD_AWAY\]\nfix: run `npm start`/);
  });

  it("adds our CA to the machine's own roots", () => {
    const text = readFileSync(files().bundle, 'utf8');
    expect(text).toMatch(/BEGIN CERTIFICATE[\s\S]*-----OUR CA-----\n$/);
    expect(statSync(join(folder, 'client')).mode & 0o077).toBe(0);
  });

  it("keeps the user's own CAs, even if a shell asks again, and those of another shell", () => {
    const pem = (text: string) => `-----BEGIN CERTIFICATE-----\n${text}\n-----END CERTIFICATE-----`;
    const own = join(folder, 'own.pem');
    writeFileSync(own, `-----BEGIN KEY-----\n${pem('b3du')}\n`);
    const first = files([], [own, own, join(folder, 'nowhere.pem')]);
    const text = readFileSync(first.bundle, 'utf8');
    expect(text.split(pem('b3du'))).toHaveLength(2);
    expect(text).not.toContain('BEGIN KEY');
    expect(first.nodeCas).toBe(first.bundle);
    const other = files();
    expect([other.bundle === first.bundle, other.nodeCas]).toEqual([false, join(folder, 'ca.pem')]);
    expect(files([], [first.bundle, other.nodeCas])).toEqual(first);
    expect(readFileSync(first.bundle, 'utf8')).toBe(text);
  });

  it('does no harm in a shell that outlives the state folder', async () => {
    const { nodeHook, pythonFolder, names } = files();
    rmSync(folder, { recursive: true });
    const env = {
      SANDGATE_NAMES: names,
      NODE_OPTIONS: `--require ${JSON.stringify(nodeHook)}`,
      PYTHONPATH: pythonFolder,
    };
    const node = await runProgram(
      [process.execPath, '-e', 'require("dns").lookup("127.0.0.1", () => {}); process.stdout.write("1\\n")'],
      { env },
    );
    expect(node).toMatchObject({ code: 0, stdout: '1\n', stderr: '' });
    const python = await runProgram(
      ['python3', '-c', 'import socket; socket.getaddrinfo("127.0.0.1", 1); print(1)'],
      { env },
    );
    expect(python).toMatchObject({ code: 0, stdout: '1\n', stderr: '' });
  });

  it('has a remedy if the API key is missing', async () => {
    const client = { domain: 'box.test:8443', ca: join(folder, 'ca.pem'), addresses: [] };
    await expect(environmentOf(folder, client)).rejects.toMatchObject({
      remedy: expect.stringContaining('makes a new key'),
    });
  });

  it('resolves our names in Node, with every form of lookup, and no other name', async () => {
    const program = `
      import dns, { lookup } from 'node:dns';
      import { lookup as promised } from 'node:dns/promises';
      const ask = (...args) => new Promise((done) => lookup(...args, (error, ...rest) => done(error ? error.code : rest)));
      console.log(JSON.stringify([
        await ask('box.test'), await ask('8080-i1.BOX.test.'), await ask('a.box.test', 6), await ask('a.box.test', { family: 4 }),
        await ask('a.box.test', { all: true }), await promised('a.box.test'), await dns.promises.lookup('a.box.test', { all: true }),
        await ask('mybox.test'), await ask('box.test.invalid'),
      ]));`;
    const { nodeHook, names } = files();
    const env = { SANDGATE_NAMES: names, NODE_OPTIONS: `--require ${JSON.stringify(nodeHook)}` };
    const { stdout, stderr } = await runProgram([process.execPath, '--input-type=module', '-e', program], {
      env,
    });
    const v4 = { address: '127.0.0.1', family: 4 };
    const v6 = { address: '::1', family: 6 };
    const answers = JSON.parse(stdout || stderr);
    expect(answers.slice(0, 7)).toEqual([
      ...[
        ['127.0.0.1', 4],
        ['127.0.0.1', 4],
        ['::1', 6],
        ['127.0.0.1', 4],
      ],
      ...[[[v4, v6]], v4, [v4, v6]],
    ]);
    for (const other of answers.slice(7)) expect(other).toMatch(/^(ENOTFOUND|EAI_AGAIN)$/);
  });

  it("resolves our names in Python, and no other name, and loads the machine's own sitecustomize too", async () => {
    const own = mkdtempSync(join(folder, 'own-'));
    writeFileSync(join(own, 'sitecustomize.py'), 'import builtins\nbuiltins.OWN = "loaded"\n');
    const program = `
import socket
def ask(*args):
    try: return sorted({one[4][0] for one in socket.getaddrinfo(*args)})
    except socket.gaierror: return "none"
print(ask("box.test", 80), ask("8080-i1.BOX.test.", 80), ask("a.box.test", 80, socket.AF_INET6), ask("mybox.test", 80), OWN)`;
    const { pythonFolder, names } = files();
    const env = { SANDGATE_NAMES: names, PYTHONPATH: `${pythonFolder}:${own}` };
    const { stdout, stderr } = await runProgram(['python3', '-c', program], { env });
    expect(stdout, stderr).toBe("['127.0.0.1', '::1'] ['127.0.0.1', '::1'] ['::1'] none loaded\n");
  });

  it('uses the loopback if the ingress listens on every address', () => {
    files(['0.0.0.0', '::']);
    const known = JSON.parse(readFileSync(join(folder, 'client', 'resolve.json'), 'utf8'));
    expect(known).toEqual({ domain: 'box.test', addresses: ['127.0.0.1', '::1'] });
  });
});
