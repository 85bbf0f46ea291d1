import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type AgentProcess, startAgentProcess, TOKEN } from '../agent-process.ts';

/** More than what a parser of forms keeps of a text field. */
const LONG_TEXT = 'é'.repeat(2 * 1024 * 1024);

describe("the agent's uploads", () => {
  let agent: AgentProcess;
  beforeAll(async () => {
    agent = await startAgentProcess();
  });
  afterAll(() => agent.stop());

  const post = (path: string, form: FormData) =>
    agent.fetch(`/files${path === '' ? '' : `?path=${path}`}`, { method: 'POST', body: form });
  const written = (name: string) => readFileSync(join(agent.home, name), 'utf8');

  it.each([
    ['a short text', 'text'],
    ['an empty one', ''],
    ['one of 4 MB', LONG_TEXT],
  ])('accept %s as a form field without a file name', async (_, text) => {
    const form = new FormData();
    form.append('before', 'passed over');
    form.append('file', text);
    form.append('after', 'passed over');
    const answer = await post('plain.txt', form);
    expect([answer.status, await answer.json()]).toEqual([
      200,
      [{ path: join(agent.home, 'plain.txt'), name: 'plain.txt', type: 'file' }],
    ]);
    expect(written('plain.txt') === text).toBe(true);
  });

  it('without a file name need a path, and say so', async () => {
    const form = new FormData();
    form.append('file', 'text');
    const answer = await post('', form);
    expect([answer.status, await answer.json()]).toEqual([
      400,
      {
        code: 400,
        message:
          'error getting multipart custom part file name: filename not found in Content-Disposition header',
      },
    ]);
  });

  it('of two texts for one path are refused', async () => {
    const form = new FormData();
    form.append('file', 'first');
    form.append('file', 'second');
    const answer = await post('twice.txt', form);
    expect(answer.status).toBe(400);
    expect(((await answer.json()) as { message: string }).message).toContain('same path');
    expect(written('twice.txt')).toBe('first');
  });

  it('of a form without a file write nothing', async () => {
    const form = new FormData();
    form.append('other', 'text');
    expect(await (await post('nothing.txt', form)).json()).toEqual([]);
  });

  it('accept what curl sends, with a file name and without', () => {
    const curl = (name: string, form: string) =>
      JSON.parse(
        execFileSync(
          'curl',
          ['-sS', '--fail', '-H', `x-access-token: ${TOKEN}`, '-F', form, `${agent.url}/files?path=${name}`],
          { encoding: 'utf8', input: 'from a file' },
        ),
      );
    expect(curl('curl-text.txt', 'file=from a field')).toMatchObject([{ name: 'curl-text.txt' }]);
    expect(written('curl-text.txt')).toBe('from a field');
    expect(curl('curl-file.txt', 'file=@-;filename=a.txt')).toMatchObject([{ name: 'curl-file.txt' }]);
    expect(written('curl-file.txt')).toBe('from a file');
  });
});
