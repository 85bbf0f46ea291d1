import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { digestOf, input, stored, token } from '../../policy/sample.ts';
import { makeStateFolder, type StateFolder } from '../state-folder.ts';

let folder: string;
let state: StateFolder;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sandgate-test-'));
  state = makeStateFolder();
});
afterEach(async () => {
  rmSync(folder, { recursive: true, force: true });
  await state.remove();
});

/** A policy API in which the token `a` of sbx1 is revoked between the first and the second pass of an import. */
async function racingApi() {
  const written: string[] = [];
  let lists = 0;
  const server = createServer((request, response) => {
    const answer = (body: unknown) => response.end(JSON.stringify(body));
    if (request.method === 'GET') {
      const access = lists++ === 0 ? {} : { revoked: [digestOf('a')] };
      answer({ records: [stored('sbx1', { access })] });
      return;
    }
    let text = '';
    request.on('data', (chunk) => {
      text += String(chunk);
    });
    request.on('end', () => {
      written.push(...(JSON.parse(text) as { sandboxId: string }[]).map(({ sandboxId }) => sandboxId));
      answer({ records: [], sequence: 1, gates: 1, inForce: true });
    });
  });
  const path = join(folder, 'api.sock');
  await new Promise<void>((resolve) => server.listen(path, resolve));
  return { at: `unix:${path}`, written, close: () => new Promise((resolve) => server.close(resolve)) };
}

describe('an import, while one of its tokens is revoked', () => {
  const lines = [input('sbx0'), input('sbx1', { access: { tokens: [token('a')] } })]
    .map((record) => `${JSON.stringify(record)}\n`)
    .join('');

  it.each([
    ['stops there and says so', [], 1],
    ['skips that line and says so', ['--on-error', 'skip'], 0],
  ])('%s', async (_, flags, code) => {
    const api = await racingApi();
    try {
      const args = ['policy', 'import', '-', '--no-verify', '--policy-api-url', api.at, ...flags];
      const ran = await state.ask(args, lines);
      expect(ran.code).toBe(code);
      expect(ran.stderr).toMatch(/line 2: access\.tokens\[0\] of sbx1 was revoked/);
      expect(api.written).toEqual(['sbx0']);
    } finally {
      await api.close();
    }
  });
});
