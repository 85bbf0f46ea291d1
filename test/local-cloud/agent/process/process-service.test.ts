import { readFileSync } from 'node:fs';
import { Code, ConnectError } from '@connectrpc/connect';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Signal } from '../../../../local-cloud/agent/gen/process/process_pb.ts';
import { type AgentProcess, startAgentProcess, TOKEN } from '../agent-process.ts';
import { clients, collect, headers, pidOf, shell, startScript } from '../connect-clients.ts';

let agent: AgentProcess;
beforeAll(async () => {
  agent = await startAgentProcess();
});
afterAll(() => agent.stop());

describe('the process service', () => {
  let process: ReturnType<typeof clients>['process'];
  beforeAll(() => {
    process = clients(agent, '1.1', false).process;
  });
  const start = (script: string, options = {}) => startScript(process, script, options);

  it('reports "signal: terminated" and "signal: killed"', async () => {
    for (const [signal, status] of [
      [Signal.SIGTERM, 'signal: terminated'],
      [Signal.SIGKILL, 'signal: killed'],
    ] as const) {
      const { pid, rest } = await start('exec sleep 600');
      await process.sendSignal({ process: pidOf(pid), signal }, { headers });
      expect((await collect(rest)).end).toEqual({ exitCode: -1, exited: false, status, error: status });
    }
  });

  it('refuses an unknown signal, and a process that does not exist', async () => {
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

  it('reports that a program does not exist', async () => {
    const missing = collect(process.start({ process: { cmd: '/no/such/program' } }, { headers }));
    await expect(missing).rejects.toMatchObject({ code: Code.NotFound });
  });

  it('refuses input for a process without one', async () => {
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

  it('acts as another user of the machine if it is root, and refuses one that does not exist', async () => {
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
