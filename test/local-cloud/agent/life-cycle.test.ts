import { existsSync, readFileSync, statSync } from 'node:fs';
import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { connect } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { createClient } from '@connectrpc/connect';
import { createConnectTransport } from '@connectrpc/connect-node';
import { describe, expect, it } from 'vitest';
import { Process } from '../../../local-cloud/agent/gen/process/process_pb.ts';
import { PACKAGE_ROOT } from '../../../src/package-root.ts';
import { runProgram } from '../../stack/command.ts';
import { eventually } from '../../stack/eventually.ts';
import { type AgentProcess, startAgentProcess, TOKEN } from './agent-process.ts';

const MAIN = join(PACKAGE_ROOT, 'dist', 'local-cloud', 'agent', 'main.js');
const run = (args: string[], input = '') => runProgram([process.execPath, MAIN, ...args], { input });

/** Starts a shell script in the background and returns its pid. */
async function start(agent: AgentProcess, script: string): Promise<number> {
  const transport = createConnectTransport({ baseUrl: agent.url, httpVersion: '1.1' });
  const stop = new AbortController();
  const stream = createClient(Process, transport).start(
    { process: { cmd: '/bin/bash', args: ['-c', script] } },
    { headers: { 'x-access-token': TOKEN }, signal: stop.signal },
  );
  for await (const { event } of stream) {
    const pid = event?.event.case === 'start' ? event.event.value.pid : 0;
    stop.abort();
    return pid;
  }
  throw new Error('no start event');
}

const lives = (pid: number) =>
  existsSync(`/proc/${pid}`) && !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));

describe('an agent process', () => {
  it('ends everything it started: children, processes that left their group, and those that ignore SIGTERM', async () => {
    const agent = await startAgentProcess();
    const pids = join(agent.home, 'pids');
    const script = `setsid sh -c 'echo $$ >> ${pids}; exec sleep 700' & nohup sh -c 'trap "" TERM; echo $$ >> ${pids}; while :; do sleep 0.1; done' & wait`;
    const leader = await start(agent, script);
    const started = await eventually(() => {
      const lines = readFileSync(pids, 'utf8').trim().split('\n').map(Number);
      expect(lines.length).toBe(2);
      return [leader, ...lines];
    });
    expect(started.map(lives)).toEqual([true, true, true]);
    expect(await agent.stop()).toBe(0);
    await eventually(() => expect(started.map(lives)).toEqual([false, false, false]));
  });

  it('ends at once while a stream is open', async () => {
    const agent = await startAgentProcess();
    const watching = agent.fetch('/filesystem.Filesystem/WatchDir', {
      method: 'POST',
      headers: { 'content-type': 'application/connect+json', 'connect-protocol-version': '1' },
      body: Buffer.concat([Buffer.from([0, 0, 0, 0, 2]), Buffer.from('{}')]),
    });
    expect((await watching).status).toBe(200);
    expect(await agent.stop()).toBe(0);
  });

  it('serves on a socket next to the bridge, both private', async () => {
    const agent = await startAgentProcess({
      flags: (root) => ['--listen', join(root, 'agent.sock'), '--bridge', join(root, 'bridge.sock')],
    });
    const socketPath = join(agent.root, 'agent.sock');
    const status = await new Promise((resolve, reject) => {
      const asked = request({ socketPath, path: '/health', agent: false }, (answer) => {
        answer.resume();
        resolve(answer.statusCode);
      });
      asked.once('error', reject).end();
    });
    expect(status).toBe(204);
    const server = createServer((_request, response) => response.end('from a port'));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const bridged = connect(join(agent.root, 'bridge.sock'));
    bridged.write(
      `PORT ${(server.address() as AddressInfo).port}\nGET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n`,
    );
    expect(await text(bridged)).toMatch(/^OK\nHTTP\/1\.1 200 OK[\s\S]*from a port/);
    await new Promise((resolve) => server.close(resolve));
    for (const name of ['agent.sock', 'bridge.sock']) {
      expect(statSync(join(agent.root, name)).mode & 0o777).toBe(0o600);
    }
    expect(await agent.stop()).toBe(0);
  });

  it('does not start without a token, with invalid flags, or if something listens on its address', async () => {
    expect(await run([])).toMatchObject({ code: 2, stderr: expect.stringContaining('no access token') });
    const secret = '{"accessToken":"a secret", oops';
    const rubbish = await run(['--stdin'], secret);
    expect(rubbish).toMatchObject({ code: 2, stderr: expect.stringContaining('standard input: not JSON') });
    expect(rubbish.stderr).not.toContain('a secret');
    expect(await run(['--listen', 'nowhere', '--open'])).toMatchObject({ code: 2 });
    expect(await run(['--no-such-flag'])).toMatchObject({ code: 2 });
    const agent = await startAgentProcess();
    const taken = await run(['--open', '--root', agent.root, '--listen', agent.url.slice('http://'.length)]);
    expect(taken).toMatchObject({ code: 1, stderr: expect.stringContaining('EADDRINUSE') });
    await agent.stop();
  });

  it('prints its usage', async () => {
    const help = await run(['--help']);
    expect(help.code).toBe(0);
    expect(help.stdout).toContain('--listen');
  });
});
