import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { identify } from '../../src/state/process-identity.ts';
import type { GateRun } from '../../src/state/run-file.ts';
import { sandgateInside } from '../stack/command-inside.ts';
import { SEVERAL_PROCESSES_MS } from '../stack/patience.ts';
import { restricted } from '../stack/test-stack.ts';
import { makeStateFolder, type StateFolder } from './state-folder.ts';

const KEY = 'k'.repeat(40);
const RECORD = JSON.stringify(restricted('way1'));

let state: StateFolder;
beforeEach(() => {
  state = makeStateFolder();
});
afterEach(() => state.remove());

const put = (...args: string[]) => state.ask(['policy', 'put', '-', ...args], RECORD);
const runFile = (pid: number): GateRun =>
  JSON.parse(readFileSync(join(state.path, 'run', `${pid}.json`), 'utf8'));

/** Writes a run file for this process, as a gate would, with its policy API at `policyApi`. */
function pretendGate(policyApi?: string): void {
  mkdirSync(join(state.path, 'run'), { recursive: true });
  const run: GateRun = {
    kind: 'gate',
    ...identify(process.pid)!,
    check: 'unix:/nowhere',
    ops: { host: '127.0.0.1', port: 1 },
    domains: ['e2b.localhost'],
    routing: 'gate',
    sandboxCidrs: ['127.0.0.0/8'],
    ownListeners: [],
    store: 'embedded',
    policyDir: state.path,
    ...(policyApi !== undefined && { policyApi }),
  };
  writeFileSync(join(state.path, 'run', `${process.pid}.json`), JSON.stringify(run));
}

describe('the connection to the policies', { timeout: SEVERAL_PROCESSES_MS }, () => {
  it('is the store if no gate runs, which is said on stderr alone', async () => {
    expect(await state.run(['policy', 'put', '-'], { input: RECORD })).toMatchObject({
      code: 0,
      stdout: 'put way1: written; no gate runs on this state folder\n',
      stderr: `sandgate: using the store directly (no gate is running on ${state.path})\n`,
    });
    expect(await state.json(['policy', 'put', '-'], RECORD)).toMatchObject({
      via: { kind: 'store', stateDir: state.path, gates: 0 },
    });
    const listed = await state.run(['policy', 'list', '--json']);
    expect(listed).toMatchObject({ code: 0, stderr: '' });
    expect(JSON.parse(listed.stdout)).toHaveLength(1);
  });

  it('is the store if the gates offer no policy API', async () => {
    pretendGate();
    expect((await put()).code).toBe(0);
    const got = await state.ask(['policy', 'list']);
    expect(got.stderr).toBe(
      `sandgate: using the store directly (no gate on ${state.path} offers a policy API)\n`,
    );
  });

  it('is nothing, and creates nothing, if there is no store to read', async () => {
    const elsewhere = join(state.path, 'nowhere');
    const got = await sandgateInside(['policy', 'list', '--state-dir', elsewhere]);
    expect(got).toMatchObject({ code: 1, stderr: expect.stringContaining(`no policies in ${elsewhere}`) });
    expect(existsSync(elsewhere)).toBe(false);
  });

  it('is refused if a flag or a variable contradicts the running gate', async () => {
    pretendGate();
    const said = [
      { args: ['--store', 'files'], env: {}, names: 'SANDGATE_STORE (--store)' },
      { args: [], env: { SANDGATE_SANDBOX_CIDRS: '10.0.0.0/8' }, names: 'SANDGATE_SANDBOX_CIDRS' },
    ];
    for (const { args, env, names } of said) {
      const got = await state.ask(['policy', 'delete', 'way1', ...args], '', env);
      expect(got.code).toBe(2);
      expect(got.stderr).toContain(
        `conflicts with the running gate (pid ${process.pid} on ${state.path}): ${names}`,
      );
    }
    expect((await state.ask(['policy', 'list', '--store', 'embedded'])).stderr).not.toContain('conflicts');
  });

  it('is a gate that answers, not one that is frozen, and never the store behind frozen gates', async () => {
    const [first, second] = await Promise.all([state.startGate(), state.startGate()]);
    expect((await put()).stderr).toMatch(
      new RegExp(`^sandgate: via the gate with pid (${first.pid}|${second.pid})\n$`),
    );
    const [frozen, awake] = first.pid < second.pid ? [first, second] : [second, first];
    frozen.signal('SIGSTOP');
    const got = await state.ask(['policy', 'get', 'way1']);
    expect(got).toMatchObject({ code: 0, stderr: `sandgate: via the gate with pid ${awake.pid}\n` });
    awake.signal('SIGSTOP');
    const refused = await state.ask(['policy', 'delete', 'way1']);
    expect(refused).toMatchObject({ code: 1, stdout: '' });
    expect(refused.stderr).toMatch(/no gate .* answers .*\[API_UNREACHABLE\]\nfix: /);
    for (const gate of state.gates) await gate.end();
    // Nothing was written behind the frozen gates' backs.
    expect(await state.ask(['policy', 'get', 'way1'])).toMatchObject({
      code: 0,
      stderr: expect.stringContaining('using the store directly'),
    });
  });

  it('is never the store if a gate should answer and does not', async () => {
    pretendGate('unix:/nowhere/policy-api.sock');
    const refused = await put('--json');
    expect(refused).toMatchObject({ code: 1, stdout: '' });
    expect(JSON.parse(refused.stderr)).toMatchObject({
      error: { code: 'API_UNREACHABLE', remedy: expect.any(String) },
    });
  });

  it('is the API that a flag or the environment names', async () => {
    const gate = await state.startGate();
    const { policyApi } = runFile(gate.pid);
    const elsewhere = makeStateFolder();
    const byFlag = await elsewhere.ask(['policy', 'put', '-', '--policy-api-url', policyApi!], RECORD);
    expect(byFlag).toMatchObject({ code: 0, stderr: `sandgate: via the policy API at ${policyApi}\n` });
    const env = { SANDGATE_POLICY_API_URL: policyApi! };
    const minted = await elsewhere.json(['token', 'mint', 'way1'], '', env);
    expect(minted).toMatchObject({ via: { kind: 'api', api: policyApi }, inForce: true });
    const imported = await elsewhere.ask(['policy', 'import', '-', '--no-verify'], `${RECORD}\n`, env);
    expect(imported).toMatchObject({ code: 0 });
    const beyond = JSON.stringify(restricted('far', { runtime: { route: { address: '10.9.9.9' } } }));
    const refused = await elsewhere.ask(
      ['policy', 'import', '-', '--no-verify'],
      `${RECORD}\n${beyond}\n`,
      env,
    );
    expect(refused.stderr).toMatch(/line 2.*runtime\.route\.address lies outside/s);
    await elsewhere.remove();
  });

  it('needs the key on TCP, from a file or the environment, and keeps it to itself', async () => {
    const keys = join(state.path, 'keys');
    writeFileSync(keys, `${KEY}\nsecond-${KEY}\n`, { mode: 0o600 });
    const gate = await state.startGate({ 'policy-api': '127.0.0.1:0', 'policy-api-keys-file': keys });
    const { policyApi } = runFile(gate.pid);
    expect(policyApi).toMatch(/^127\.0\.0\.1:\d+$/);

    expect(await put('--policy-api-key-file', keys)).toMatchObject({
      code: 0,
      stderr: expect.stringContaining('via the gate'),
    });
    const byEnv = await state.run(['policy', 'list', '--policy-api-url', `http://${policyApi}`], {
      env: { SANDGATE_POLICY_API_KEY: `second-${KEY}` },
    });
    expect(byEnv.code).toBe(0);
    for (const env of [{}, { SANDGATE_POLICY_API_KEY: 'wrong'.repeat(10) }]) {
      const refused = await state.ask(['policy', 'list'], '', env);
      expect(refused).toMatchObject({ code: 1, stdout: '', stderr: expect.stringContaining('UNAUTHORIZED') });
      expect(refused.stderr).not.toContain('wrongwrong');
    }
    expect(gate.log()).not.toContain(KEY);
  });

  it.each([
    [['--policy-api-url', 'nonsense'], 'SANDGATE_POLICY_API_URL (--policy-api-url)'],
    [['--policy-api-url', '127.0.0.1:7001'], 'did you mean http://127.0.0.1:7001?'],
    [['--policy-api-url', 'http://127.0.0.1:1/v1'], 'a scheme, a host and a port only'],
    [['--policy-api-url', 'http://127.0.0.1:1', '--policy-api-ca', 'ca.pem'], '--policy-api-ca'],
    [['--policy-api-url', 'https://127.0.0.1:1', '--policy-api-ca', '/nowhere/ca.pem'], '--policy-api-ca'],
    [
      ['--policy-api-key-file', '/nowhere/key', '--policy-api-url', 'http://127.0.0.1:1'],
      '--policy-api-key-file',
    ],
  ])('%j is a settings error', async (args, named) => {
    expect(await state.ask(['policy', 'list', ...args])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining(named),
    });
  });

  it('takes no more than the API does in one put, and names the alternative', async () => {
    await state.startGate();
    const records = Array.from({ length: 4000 }, (_, n) => ({ ...restricted(`big${n}`), schema: 1 }));
    const text = JSON.stringify(
      records.map((record) => ({
        ...record,
        access: {
          ...record.access,
          tokens: record.access.tokens.map((token) => ({ ...token, label: 'x'.repeat(120) })),
        },
      })),
    );
    const refused = await state.ask(['policy', 'put', '-'], text);
    expect(refused).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/\[REQUEST_TOO_LARGE\]\nfix: .*policy import/),
    });
    expect(JSON.parse((await state.ask(['policy', 'list', '--json'])).stdout)).toEqual([]);
  });
});
