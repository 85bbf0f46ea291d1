import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../../stack/eventually.ts';
import { type AgentProcess, INIT_KEY, startAgentProcess, TOKEN } from './agent-process.ts';

interface Refusal {
  message: string;
}

const UNAUTHORIZED = {
  code: 401,
  message: 'unauthorized access, please provide a valid access token or method signing if supported',
};

/** The file that a descriptor of another process refers to; empty if it is closed in the meantime. */
function linkOf(pid: number, fd: string): string {
  try {
    return readlinkSync(`/proc/${pid}/fd/${fd}`);
  } catch {
    return '';
  }
}

describe("the agent's HTTP interface", () => {
  let agent: AgentProcess;
  beforeAll(async () => {
    agent = await startAgentProcess({ input: { envVars: { FIRST: '1' } } });
  });
  afterAll(() => agent.stop());

  const bare = (path: string, init?: RequestInit) => fetch(agent.url + path, init);
  const post = (path: string, body: unknown, headers: Record<string, string> = {}) =>
    bare(path, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify(body),
    });

  it('reports its health without a token', async () => {
    expect((await bare('/health')).status).toBe(204);
  });

  it.each(['/envs', '/files?path=a', '/process.Process/List', '/nothing'])(
    'requires the access token on %s',
    async (path) => {
      for (const headers of [
        {},
        { 'x-access-token': `${TOKEN}x` },
        { 'x-access-token': `${TOKEN}, ${TOKEN}` },
      ]) {
        const answer = await bare(path, { headers: headers as Record<string, string> });
        expect(answer.status).toBe(401);
        expect(await answer.json()).toEqual(UNAUTHORIZED);
      }
    },
  );

  it('answers 404 for an unknown path', async () => {
    const answer = await agent.fetch('/nothing');
    expect([answer.status, await answer.json()]).toEqual([404, { code: 404, message: 'not found' }]);
  });

  it('lets scripts of any origin call', async () => {
    const preflight = await bare('/process.Process/Start', {
      method: 'OPTIONS',
      headers: { origin: 'https://app.example', 'access-control-request-method': 'POST' },
    });
    expect(preflight.status).toBe(204);
    expect(preflight.headers.get('access-control-allow-origin')).toBe('*');
    expect((await bare('/envs')).headers.get('access-control-allow-origin')).toBe('*');
  });

  it('is initialized again only with the init key', async () => {
    for (const headers of [{}, { 'x-access-token': TOKEN }, { 'x-sandgate-init-key': `${INIT_KEY}x` }]) {
      const answer = await post('/init', { envVars: { STOLEN: '1' } }, headers as Record<string, string>);
      expect(answer.status).toBe(401);
    }
    expect(await (await agent.fetch('/envs')).json()).toEqual({ FIRST: '1' });
    const bad = await post('/init', { envVars: 1 }, { 'x-sandgate-init-key': INIT_KEY });
    expect(bad.status).toBe(400);
    const good = await post('/init', { envVars: { SECOND: '2' } }, { 'x-sandgate-init-key': INIT_KEY });
    expect(good.status).toBe(204);
    expect(await (await agent.fetch('/envs')).json()).toEqual({ SECOND: '2' });
  });

  it('accepts several files in one form, by their own names', async () => {
    const form = new FormData();
    form.append('file', new Blob(['a']), 'many/a.txt');
    form.append('other', 'passed over');
    form.append('file', new Blob(['b']), 'many/b.txt');
    const answer = await agent.fetch('/files', { method: 'POST', body: form });
    expect(await answer.json()).toMatchObject([{ name: 'a.txt' }, { name: 'b.txt' }]);
    expect(readFileSync(join(agent.home, 'many/b.txt'), 'utf8')).toBe('b');
  });

  it('refuses two files for one path, a body of another type, a truncated body, and no path', async () => {
    const form = new FormData();
    form.append('file', new Blob(['a']));
    form.append('file', new Blob(['b']));
    const twice = await agent.fetch('/files?path=twice.txt', { method: 'POST', body: form });
    expect([twice.status, ((await twice.json()) as Refusal).message]).toEqual([
      400,
      expect.stringContaining('you cannot upload multiple files to the same path'),
    ]);
    const upload = async (contentType: string, body: string, query = '?path=x') =>
      (
        await agent.fetch(`/files${query}`, {
          method: 'POST',
          headers: { 'content-type': contentType },
          body,
        })
      ).status;
    expect(await upload('text/plain', 'x')).toBe(400);
    expect(await upload('multipart/form-data; boundary=b', '--b\r\ncontent-dis')).toBe(400);
    expect(await upload('multipart/form-data', 'x')).toBe(400);
    expect(await upload('application/octet-stream', 'x', '')).toBe(400);
    expect((await agent.fetch('/health')).status).toBe(204);
  });

  it.each([
    [
      'multipart/form-data; boundary=b',
      '--b\r\ncontent-disposition: form-data; name="file"; filename="cut.txt"\r\n\r\nhalf',
    ],
    ['application/octet-stream', 'half'],
  ])('closes the file of an upload that breaks off (%s)', async (contentType, begin) => {
    const { hostname, port } = new URL(agent.url);
    const socket = connect(Number(port), hostname);
    socket.write(
      `POST /files?path=cut.txt HTTP/1.1\r\nhost: x\r\nx-access-token: ${TOKEN}\r\ncontent-type: ${contentType}\r\ncontent-length: 1000\r\n\r\n${begin}`,
    );
    const open = () => readdirSync(`/proc/${agent.child.pid}/fd`).map((fd) => linkOf(agent.child.pid!, fd));
    const path = join(agent.home, 'cut.txt');
    await eventually(() => expect(open()).toContain(path));
    socket.destroy();
    await eventually(() => expect(open()).not.toContain(path));
  });

  it('refuses a signed URL that has expired or is for another operation', async () => {
    writeFileSync(join(agent.home, 's.txt'), 's');
    const sign = (operation: string, until: number) => {
      const text = ['s.txt', operation, '', TOKEN, until].join(':');
      const digest = createHash('sha256').update(text).digest('base64').replace(/=+$/, '');
      return `/files?path=s.txt&signature=${encodeURIComponent(`v1_${digest}`)}&signature_expiration=${until}`;
    };
    const now = Math.floor(Date.now() / 1000);
    expect((await bare(sign('read', now + 60))).status).toBe(200);
    const late = await bare(sign('read', now - 60));
    expect([late.status, await late.json()]).toEqual([
      401,
      { code: 401, message: 'signature is already expired' },
    ]);
    expect((await bare(sign('write', now + 60))).status).toBe(401);
  });

  it('reads only regular files', async () => {
    const answer = await agent.fetch('/files?path=/dev/zero');
    expect([answer.status, ((await answer.json()) as Refusal).message]).toEqual([
      400,
      "path '/dev/zero' is not a regular file",
    ]);
  });

  it('refuses an unknown user', async () => {
    expect((await agent.fetch('/files?path=a&username=not-a-user-here')).status).toBe(401);
  });
});
