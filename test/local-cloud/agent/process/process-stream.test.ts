import { readFileSync } from 'node:fs';
import { Code } from '@connectrpc/connect';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ProcessEvent } from '../../../../local-cloud/agent/gen/process/process_pb.ts';
import { eventually } from '../../../stack/eventually.ts';
import { type AgentProcess, startAgentProcess } from '../agent-process.ts';
import { clients, collect, headers, pidOf, shell, startScript } from '../connect-clients.ts';

let agent: AgentProcess;
beforeAll(async () => {
  agent = await startAgentProcess();
});
afterAll(() => agent.stop());

/** Throws until the process has a child. */
function childOf(pid: number): number {
  const child = Number(readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim());
  if (!(child > 0)) throw new Error('no child yet');
  return child;
}

describe("a process's stream", () => {
  let process: ReturnType<typeof clients>['process'];
  beforeAll(() => {
    process = clients(agent, '1.1', false).process;
  });
  const start = (script: string, options = {}) => startScript(process, script, options);

  it('keeps a process running after its stream drops', async () => {
    const first = await start('read line; echo "got $line"', { tag: 'kept', stdin: true });
    first.drop();
    const again = collect(
      process.connect({ process: { selector: { case: 'tag', value: 'kept' } } }, { headers }),
    );
    const input = { input: { case: 'stdin' as const, value: Buffer.from('x\n') } };
    await eventually(() => process.sendInput({ process: pidOf(first.pid), input }, { headers }));
    expect(await again).toMatchObject({ pid: first.pid, stdout: 'got x\n' });
  });

  it('kills a process after connect-timeout-ms, with or without a stream', async () => {
    const { pid, drop } = await start('exec sleep 600', { timeoutMs: 400 });
    drop();
    await eventually(async () => {
      const { processes } = await process.list({}, { headers });
      expect(processes.map((item) => item.pid)).not.toContain(pid);
    });
    const watched = await start('exec sleep 600', { timeoutMs: 300 });
    await expect(collect(watched.rest)).rejects.toMatchObject({ code: Code.DeadlineExceeded });
  });

  it('treats a timeout of 0, or one too long for a timer, as none', async () => {
    for (const timeout of ['0', '9999999999']) {
      const ran = process.start(
        { process: shell('sleep 0.1; echo alive') },
        { headers: { ...headers, 'connect-timeout-ms': timeout } },
      );
      expect((await collect(ran)).stdout).toBe('alive\n');
    }
  });

  it('sends keepalives on a silent stream', async () => {
    const silent = process.start(
      { process: shell('sleep 1.5') },
      { headers: { ...headers, 'keepalive-ping-interval': '1' } },
    );
    expect((await collect(silent)).keepalives).toBe(1);
  });

  it('still reports the exit of a process that ended before the client connected', async () => {
    const { pid, rest } = await start('exit 9');
    await collect(rest);
    const late = await collect(process.connect({ process: pidOf(pid) }, { headers }));
    expect(late).toMatchObject({ pid, end: { exitCode: 9 } });
  });

  it('holds a process while its client is slow, and loses nothing', async () => {
    const { rest, pid } = await start('exec 3>&1; head -c 30000000 /dev/urandom >&3 & wait; echo tail >&2');
    // Random bytes, which do not compress. No event is read meanwhile: the writer must block, instead of filling memory.
    const head = await eventually(() => childOf(pid));
    let before = -1;
    const written = await eventually(() => {
      const now = Number(/wchar: (\d+)/.exec(readFileSync(`/proc/${head}/io`, 'utf8'))?.[1]);
      const still = now === before && now > 0;
      before = now;
      if (!still) throw new Error('it still writes');
      return now;
    }, 200);
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
});
