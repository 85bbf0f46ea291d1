import { execFileSync } from 'node:child_process';
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SEVERAL_PROCESSES_MS } from '../../stack/patience.ts';
import { digestOf, restricted } from '../../stack/test-stack.ts';
import { makeStateFolder, type StateFolder } from '../state-folder.ts';

/**
 * The contents of all files in a folder, as text. Read by another process: a store that was closed here may still have
 * the file open (libsql releases it at a garbage collection), and closing a file drops all locks of the process on it.
 */
function everything(folder: string): string {
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map((name) => join(folder, name))
    .filter((path) => statSync(path, { throwIfNoEntry: false })?.isFile());
  return execFileSync('cat', files, { encoding: 'latin1' });
}

describe.each([
  ['through a gate', 1],
  ['directly on the store', 0],
])('sandgate token, %s', { timeout: SEVERAL_PROCESSES_MS }, (_connection, gates) => {
  let state: StateFolder;
  /** Through a gate, each command runs in a child process. */
  const run: StateFolder['ask'] = (args) => (gates > 0 ? state.run(args) : state.ask(args));
  beforeAll(async () => {
    state = makeStateFolder();
    if (gates > 0) await state.startGate({ 'log-level': 'debug' });
    const put = await state.ask(['policy', 'put', '-'], JSON.stringify(restricted('tok1')));
    expect(put.code).toBe(0);
  });
  afterAll(() => state?.remove());

  it('mints: the plaintext alone on stdout, in no file, log or message', async () => {
    const minted = await state.run([
      'token',
      'mint',
      'tok1',
      '--label',
      'for ci',
      '--port',
      '3000',
      '--port',
      '3001',
    ]);
    expect(minted).toMatchObject({ code: 0, stdout: expect.stringMatching(/^[0-9a-f]{64}\n$/) });
    const token = minted.stdout.trim();
    expect(minted.stderr).toContain(
      gates > 0 ? `via the gate with pid ${state.gates[0]!.pid}` : 'using the store directly',
    );
    expect(minted.stderr).toContain(gates > 0 ? 'in force at 1 gate' : 'no gate runs');
    const { tokens } = await state.json<{ tokens: object[] }>(['token', 'list', 'tok1']);
    expect(tokens).toContainEqual(
      expect.objectContaining({
        label: 'for ci',
        ports: [3000, 3001],
        fingerprint: digestOf(token).slice(0, 8),
      }),
    );
    const human = await run(['token', 'list', 'tok1']);
    expect(human.stdout).toContain(`${digestOf(token).slice(0, 8)}\tfor ci\t`);
    const shown = [minted.stderr, human.stdout, human.stderr, JSON.stringify(tokens)];
    const places = [...shown, ...state.gates.map((gate) => gate.log()), everything(state.path)].join('\n');
    expect(places).not.toContain(token);
    expect(shown.join('\n')).not.toContain(digestOf(token));
  });

  it('prints all of it with --json, and the connection', async () => {
    const minted = await state.json([
      'token',
      'mint',
      'tok1',
      '--id',
      'j1',
      '--ttl',
      '2h',
      '--incarnation',
      'life-1',
    ]);
    expect(minted).toMatchObject({
      token: expect.stringMatching(/^[0-9a-f]{64}$/),
      info: { id: 'j1', incarnation: 'life-1', expiresAt: expect.any(String) },
      gates,
      inForce: gates > 0,
      via: gates > 0 ? { kind: 'gate', pid: state.gates[0]!.pid } : { kind: 'store', stateDir: state.path },
    });
  });

  it('revokes permanently, and says from when on', async () => {
    const { token } = await state.json([
      'token',
      'mint',
      'tok1',
      '--id',
      'r1',
      '--expires',
      '2099-01-31T12:00:00Z',
    ]);
    const revoked = await run(['token', 'revoke', 'tok1', 'r1']);
    expect(revoked.code).toBe(0);
    expect(revoked.stdout).toContain(`revoked token r1 (fingerprint ${digestOf(String(token)).slice(0, 8)}`);
    if (gates > 0) {
      expect(revoked.stdout).toMatch(/refused from now on; open streams stay until .*2099-01-31/);
    }
    const again = restricted('tok1', { access: { tokens: [{ id: 'r1', sha256: digestOf(String(token)) }] } });
    const put = await state.ask(['policy', 'put', '-'], JSON.stringify(again));
    expect(put).toMatchObject({ code: 1, stderr: expect.stringContaining('TOKEN_REVOKED') });
    const wrong = await state.ask(['token', 'revoke', 'tok1', String(token)]);
    expect(wrong).toMatchObject({ code: 1, stderr: expect.stringContaining('this looks like a token: ') });
    expect(wrong.stderr).not.toContain(token);
    const gone = await state.ask(['token', 'revoke', 'tok1', 'r1', '--json']);
    expect(gone.code).toBe(1);
    expect(JSON.parse(gone.stderr)).toMatchObject({ error: { code: 'TOKEN_UNKNOWN' } });
  });

  it('rotates: the new token alone on stdout, the old one expires after the overlap', async () => {
    await state.json(['token', 'mint', 'tok1', '--id', 'old', '--label', 'kept', '--port', '80']);
    const rotated = await run(['token', 'rotate', 'tok1', 'old', '--overlap', '5m', '--id', 'new']);
    expect(rotated).toMatchObject({ code: 0, stdout: expect.stringMatching(/^[0-9a-f]{64}\n$/) });
    expect(rotated.stderr).toMatch(/token new .* replaces old, which expires at \d{4}-/);
    expect(rotated.stderr).not.toContain(rotated.stdout.trim());
    const { tokens } = await state.json<{ tokens: object[] }>(['token', 'list', 'tok1']);
    expect(tokens).toContainEqual(expect.objectContaining({ id: 'old', expiresAt: expect.any(String) }));
    expect(tokens).toContainEqual(expect.objectContaining({ id: 'new', label: 'kept', ports: [80] }));
    const atOnce = await state.ask(['token', 'rotate', 'tok1', 'new', '--overlap', '0']);
    expect(atOnce.stderr).toContain('which is revoked');
  });

  it.each([
    ['an unknown sandbox', ['mint', 'nobody'], 'SANDBOX_UNKNOWN'],
    ['an invalid sandbox id', ['list', '../x'], 'SANDBOX_UNKNOWN'],
    ['an id that is taken', ['mint', 'tok1', '--id', 'default'], 'TOKEN_EXISTS'],
    ['an unknown token', ['rotate', 'tok1', 'nope', '--overlap', '1'], 'TOKEN_UNKNOWN'],
    ['a time that has passed', ['mint', 'tok1', '--expires', '2001-01-01T00:00:00Z'], 'REQUEST_INVALID'],
    ['an invalid time', ['mint', 'tok1', '--expires', 'tomorrow'], 'REQUEST_INVALID'],
    ['a label with control characters', ['mint', 'tok1', '--label', 'a\u0007b'], 'REQUEST_INVALID'],
  ])('exits 1 at %s, with nothing on stdout', async (_what, args, code) => {
    const refused = await state.ask(['token', ...args]);
    expect(refused).toMatchObject({ code: 1, stdout: '' });
    expect(refused.stderr).toContain(`[${code}]`);
    expect(refused.stderr).not.toContain('    at ');
  });
});

describe('sandgate token, with a usage error', () => {
  it.each([
    [['mint'], 'sandboxId'],
    [['mint', 'a', '--ttl', '0'], '--ttl'],
    [['mint', 'a', '--ttl', '5 weeks'], '--ttl'],
    [['mint', 'a', '--ttl', '1', '--expires', '2099-01-01T00:00:00Z'], '--expires'],
    [['mint', 'a', '--port', '080'], '--port'],
    [['mint', 'a', '--port', '65536'], '--port'],
    [['revoke', 'a'], 'tokenId'],
    [['rotate', 'a', 'b'], '--overlap'],
    [['rotate', 'a', 'b', '--overlap', '31d'], '--overlap'],
    [['mint', 'a', '--admin-key', 'secret'], '--admin-key'],
  ])('%j exits 2 and names %s', async (args, named) => {
    const state = makeStateFolder();
    const refused = await state.ask(['token', ...args]);
    await state.remove();
    expect(refused).toMatchObject({ code: 2, stdout: '' });
    expect(refused.stderr).toContain(named);
  });
});
