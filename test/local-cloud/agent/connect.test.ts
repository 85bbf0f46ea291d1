import { readFileSync } from 'node:fs';
import type { MessageInitShape } from '@bufbuild/protobuf';
import { Code, ConnectError, createClient } from '@connectrpc/connect';
import { createConnectTransport } from '@connectrpc/connect-node';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { Filesystem, FileType } from '../../../local-cloud/agent/gen/filesystem/filesystem_pb.ts';
import {
  Process,
  type ProcessEvent,
  Signal,
  type StreamInputRequestSchema,
} from '../../../local-cloud/agent/gen/process/process_pb.ts';
import { type AgentProcess, startAgentProcess, TOKEN } from './agent-process.ts';

const headers = { 'x-access-token': TOKEN };
const shell = (script: string) => ({ cmd: '/bin/sh', args: ['-c', script] });

let agent: AgentProcess;
beforeAll(async () => {
  agent = await startAgentProcess();
});
afterAll(() => agent.stop());

function clients(httpVersion: '1.1' | '2', useBinaryFormat: boolean) {
  const transport = createConnectTransport({ baseUrl: agent.url, httpVersion, useBinaryFormat });
  return { process: createClient(Process, transport), files: createClient(Filesystem, transport) };
}

async function collect(events: AsyncIterable<{ event?: ProcessEvent | undefined }>) {
  const seen = { pid: 0, stdout: '', stderr: '', keepalives: 0, end: undefined as unknown };
  for await (const { event } of events) {
    const happened = event!.event;
    if (happened.case === 'start') seen.pid = happened.value.pid;
    if (happened.case === 'keepalive') seen.keepalives += 1;
    if (happened.case === 'end') {
      const { exitCode, exited, status, error } = happened.value;
      seen.end = { exitCode, exited, status, error };
    }
    const output = happened.case === 'data' ? happened.value.output : undefined;
    if (output?.case === 'stdout' || output?.case === 'stderr') {
      seen[output.case] += Buffer.from(output.value).toString('utf8');
    }
  }
  return seen;
}

describe.each([
  ['HTTP/1.1', 'JSON', '1.1', false],
  ['HTTP/1.1', 'binary', '1.1', true],
  ['HTTP/2 without TLS', 'JSON', '2', false],
  ['HTTP/2 without TLS', 'binary', '2', true],
] as const)('the Connect services over %s, %s', (_http, _format, version, binary) => {
  it('run a process to its end', async () => {
    const { process } = clients(version, binary);
    const seen = await collect(
      process.start({ process: shell('echo out; echo err >&2; exit 4') }, { headers }),
    );
    expect(seen).toMatchObject({ stdout: 'out\n', stderr: 'err\n' });
    expect(seen.end).toEqual({ exitCode: 4, exited: true, status: 'exit status 4', error: 'exit status 4' });
  });

  it('answer a unary call and its error', async () => {
    const { files } = clients(version, binary);
    const { entry } = await files.stat({ path: agent.root }, { headers });
    expect(entry).toMatchObject({ type: FileType.DIRECTORY, path: agent.root });
    const missing = files.stat({ path: 'no-such' }, { headers });
    await expect(missing).rejects.toMatchObject({
      code: Code.NotFound,
      rawMessage: `file not found: lstat ${agent.home}/no-such: no such file or directory`,
    });
  });

  it('feed a process by a stream of inputs', async () => {
    const { process } = clients(version, binary);
    const output = collect(
      process.start({ process: shell('cat'), tag: `fed-${version}-${binary}`, stdin: true }, { headers }),
    );
    const selector = { selector: { case: 'tag' as const, value: `fed-${version}-${binary}` } };
    await vi.waitFor(() => process.update({ process: selector }, { headers }));
    async function* inputs(): AsyncGenerator<MessageInitShape<typeof StreamInputRequestSchema>> {
      yield { event: { case: 'start' as const, value: { process: selector } } };
      for (let n = 0; n < 100; n += 1) {
        const stdin = Buffer.from(`line ${n}\n`);
        yield {
          event: {
            case: 'data' as const,
            value: { input: { input: { case: 'stdin' as const, value: stdin } } },
          },
        };
      }
      yield { event: { case: 'keepalive' as const, value: {} } };
    }
    await process.streamInput(inputs(), { headers });
    await process.closeStdin({ process: selector }, { headers });
    const lines = (await output).stdout.trimEnd().split('\n');
    expect([lines.length, lines[99]]).toEqual([100, 'line 99']);
  });
});

/** Throws until the process has a child. */
function childOf(pid: number): number {
  const child = Number(readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim());
  if (!(child > 0)) throw new Error('no child yet');
  return child;
}

describe('the process service', () => {
  let process: ReturnType<typeof clients>['process'];
  beforeAll(() => {
    process = clients('1.1', false).process;
  });
  const pidOf = (value: number) => ({ selector: { case: 'pid' as const, value } });

  /** Starts it and returns once its start event came. */
  async function start(script: string, options: { timeoutMs?: number; tag?: string; stdin?: boolean } = {}) {
    const { timeoutMs, ...request } = options;
    const stop = new AbortController();
    const more = timeoutMs === undefined ? {} : { timeoutMs };
    const stream = process.start(
      { process: shell(script), ...request },
      { headers, signal: stop.signal, ...more },
    );
    const events = stream[Symbol.asyncIterator]();
    const first = await events.next();
    const pid: number = first.value!.event!.event.value!.pid;
    return { pid, drop: () => stop.abort(), rest: { [Symbol.asyncIterator]: () => events } };
  }

  it('says "signal: terminated" and "signal: killed"', async () => {
    for (const [signal, status] of [
      [Signal.SIGTERM, 'signal: terminated'],
      [Signal.SIGKILL, 'signal: killed'],
    ] as const) {
      const { pid, rest } = await start('exec sleep 600');
      await process.sendSignal({ process: pidOf(pid), signal }, { headers });
      expect((await collect(rest)).end).toEqual({ exitCode: -1, exited: false, status, error: status });
    }
  });

  it('refuses a signal it does not know, and a process that is not there', async () => {
    const { pid } = await start('exec sleep 600');
    const unknown = process.sendSignal({ process: pidOf(pid), signal: Signal.UNSPECIFIED }, { headers });
    await expect(unknown).rejects.toMatchObject({ code: Code.Unimplemented });
    await process.sendSignal({ process: pidOf(pid), signal: Signal.SIGKILL }, { headers });
    const gone = process.sendSignal({ process: pidOf(999_999), signal: Signal.SIGKILL }, { headers });
    await expect(gone).rejects.toMatchObject({
      code: Code.NotFound,
      rawMessage: 'process with pid 999999 not found',
    });
    const tag = process.closeStdin({ process: { selector: { case: 'tag', value: 'none' } } }, { headers });
    await expect(tag).rejects.toMatchObject({ rawMessage: 'process with tag none not found' });
  });

  it('says that a program is not there', async () => {
    const missing = collect(process.start({ process: { cmd: '/no/such/program' } }, { headers }));
    await expect(missing).rejects.toMatchObject({ code: Code.NotFound });
  });

  it('keeps a process whose stream drops, until it is told otherwise', async () => {
    const first = await start('read line; echo "got $line"', { tag: 'kept', stdin: true });
    first.drop();
    const again = collect(
      process.connect({ process: { selector: { case: 'tag', value: 'kept' } } }, { headers }),
    );
    const input = { input: { case: 'stdin' as const, value: Buffer.from('x\n') } };
    await vi.waitFor(() => process.sendInput({ process: pidOf(first.pid), input }, { headers }));
    expect(await again).toMatchObject({ pid: first.pid, stdout: 'got x\n' });
  });

  it('kills a process whose connect-timeout-ms is over, stream or not', async () => {
    const { pid, drop } = await start('exec sleep 600', { timeoutMs: 400 });
    drop();
    await vi.waitFor(async () => {
      const { processes } = await process.list({}, { headers });
      expect(processes.map((item) => item.pid)).not.toContain(pid);
    });
    const watched = await start('exec sleep 600', { timeoutMs: 300 });
    await expect(collect(watched.rest)).rejects.toMatchObject({ code: Code.DeadlineExceeded });
  });

  it('takes a timeout of 0, or one that no timer can hold, for none', async () => {
    for (const timeout of ['0', '9999999999']) {
      const ran = process.start(
        { process: shell('sleep 0.1; echo alive') },
        { headers: { ...headers, 'connect-timeout-ms': timeout } },
      );
      expect((await collect(ran)).stdout).toBe('alive\n');
    }
  });

  it('shows that a silent stream lives', async () => {
    const silent = process.start(
      { process: shell('sleep 1.5') },
      { headers: { ...headers, 'keepalive-ping-interval': '1' } },
    );
    expect((await collect(silent)).keepalives).toBe(1);
  });

  it('still tells the exit of a process that ended before the client came', async () => {
    const { pid, rest } = await start('exit 9');
    await collect(rest);
    const late = await collect(process.connect({ process: pidOf(pid) }, { headers }));
    expect(late).toMatchObject({ pid, end: { exitCode: 9 } });
  });

  it('holds a process back while its client is slow, and then loses nothing', async () => {
    const { rest, pid } = await start('exec 3>&1; head -c 30000000 /dev/urandom >&3 & wait; echo tail >&2');
    // Random, or it would be compressed to nothing. Not one event is taken meanwhile: the writer must come to rest, not be read into memory.
    const head = await vi.waitFor(() => childOf(pid));
    let before = -1;
    const written = await vi.waitFor(
      () => {
        const now = Number(/wchar: (\d+)/.exec(readFileSync(`/proc/${head}/io`, 'utf8'))?.[1]);
        const still = now === before && now > 0;
        before = now;
        if (!still) throw new Error('it still writes');
        return now;
      },
      { interval: 200, timeout: 10_000 },
    );
    expect(written).toBeLessThan(20_000_000);
    let bytes = 0;
    let stderr = '';
    for await (const { event } of rest as AsyncIterable<{ event?: ProcessEvent }>) {
      const output = event?.event.case === 'data' ? event.event.value.output : undefined;
      if (output?.case === 'stdout') bytes += output.value.length;
      if (output?.case === 'stderr') stderr += Buffer.from(output.value).toString();
    }
    expect([bytes, stderr]).toEqual([30_000_000, 'tail\n']);
  });

  it('refuses input where there is none to take', async () => {
    const { pid } = await start('exec sleep 600', { stdin: false });
    const input = { input: { case: 'stdin' as const, value: Buffer.from('x') } };
    const refused = process.sendInput({ process: pidOf(pid), input }, { headers });
    await expect(refused).rejects.toMatchObject({
      code: Code.Internal,
      rawMessage: 'error writing to stdin: stdin not enabled or closed',
    });
    const resize = process.update({ process: pidOf(pid), pty: { size: { cols: 1, rows: 1 } } }, { headers });
    await expect(resize).rejects.toBeInstanceOf(ConnectError);
    await process.sendSignal({ process: pidOf(pid), signal: Signal.SIGKILL }, { headers });
  });

  it('acts as another user of the machine where it is root, and refuses one that is not there', async () => {
    const as = (name: string) => ({
      ...headers,
      authorization: `Basic ${Buffer.from(`${name}:`).toString('base64')}`,
    });
    const ran = await collect(
      process.start({ process: { ...shell('id -u'), cwd: '/' } }, { headers: as('nobody') }),
    );
    const own = globalThis.process.getuid?.() ?? 0;
    expect(ran.stdout).toBe(own === 0 ? '65534\n' : `${own}\n`);
    const stranger = collect(process.start({ process: shell('id -u') }, { headers: as('no-such-user') }));
    await expect(stranger).rejects.toMatchObject({ code: Code.Unauthenticated });
  });

  it('keeps the agent’s secrets out of its processes and its command line', () => {
    const pid = agent.child.pid!;
    const open = (file: string) => readFileSync(`/proc/${pid}/${file}`, 'utf8');
    expect(open('cmdline') + open('environ')).not.toContain(TOKEN);
  });
});

describe('the filesystem service', () => {
  let files: ReturnType<typeof clients>['files'];
  beforeAll(() => {
    files = clients('1.1', false).files;
  });

  it('collects events for a watcher that is asked for them', async () => {
    await files.makeDir({ path: 'asked' }, { headers });
    const request = { path: 'asked', recursive: true, includeEntry: true };
    const { watcherId } = await files.createWatcher(request, { headers });
    await files.makeDir({ path: 'asked/made' }, { headers });
    await vi.waitFor(async () => {
      const { events } = await files.getWatcherEvents({ watcherId }, { headers });
      expect(events).toMatchObject([{ name: 'made', entry: { type: FileType.DIRECTORY } }]);
    });
    expect((await files.getWatcherEvents({ watcherId }, { headers })).events).toEqual([]);
    await files.removeWatcher({ watcherId }, { headers });
    const gone = files.getWatcherEvents({ watcherId }, { headers });
    await expect(gone).rejects.toMatchObject({
      code: Code.NotFound,
      rawMessage: `watcher with id ${watcherId} not found`,
    });
  });

  it('has room for 256 watchers', async () => {
    const ids: string[] = [];
    const make = async () => ids.push((await files.createWatcher({ path: '' }, { headers })).watcherId);
    for (let n = 0; n < 256; n += 1) await make();
    await expect(make()).rejects.toMatchObject({ code: Code.ResourceExhausted });
    for (const watcherId of ids) await files.removeWatcher({ watcherId }, { headers });
    await make();
    await files.removeWatcher({ watcherId: ids.at(-1)! }, { headers });
  });

  it('says what stands in the way', async () => {
    await files.makeDir({ path: 'there' }, { headers });
    const code = (call: Promise<unknown>) =>
      call.then(
        () => 'no error',
        (error: ConnectError) => Code[error.code],
      );
    expect(await code(files.makeDir({ path: 'there' }, { headers }))).toBe('AlreadyExists');
    expect(await code(files.makeDir({ path: '/proc/version' }, { headers }))).toBe('InvalidArgument');
    expect(await code(files.move({ source: 'absent', destination: 'x' }, { headers }))).toBe('NotFound');
    expect(await code(files.listDir({ path: '/proc/version' }, { headers }))).toBe('InvalidArgument');
    expect(await code(files.remove({ path: '/' }, { headers }))).toBe('InvalidArgument');
    expect(await code(files.stat({ path: '~other/x' }, { headers }))).toBe('InvalidArgument');
    expect(await code(files.remove({ path: 'absent' }, { headers }))).toBe('no error');
  });
});
