import type { MessageInitShape } from '@bufbuild/protobuf';
import { Code } from '@connectrpc/connect';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FileType } from '../../../local-cloud/agent/gen/filesystem/filesystem_pb.ts';
import type { StreamInputRequestSchema } from '../../../local-cloud/agent/gen/process/process_pb.ts';
import { eventually } from '../../stack/eventually.ts';
import { type AgentProcess, startAgentProcess } from './agent-process.ts';
import { clients, collect, headers, shell } from './connect-clients.ts';

let agent: AgentProcess;
beforeAll(async () => {
  agent = await startAgentProcess();
});
afterAll(() => agent.stop());

describe.each([
  ['HTTP/1.1', 'JSON', '1.1', false],
  ['HTTP/1.1', 'binary', '1.1', true],
  ['HTTP/2 without TLS', 'JSON', '2', false],
  ['HTTP/2 without TLS', 'binary', '2', true],
] as const)('the Connect services over %s, %s', (_http, _format, version, binary) => {
  it('run a process to its end', async () => {
    const { process } = clients(agent, version, binary);
    const seen = await collect(
      process.start({ process: shell('echo out; echo err >&2; exit 4') }, { headers }),
    );
    expect(seen).toMatchObject({ stdout: 'out\n', stderr: 'err\n' });
    expect(seen.end).toEqual({ exitCode: 4, exited: true, status: 'exit status 4', error: 'exit status 4' });
  });

  it('answer a unary call and its error', async () => {
    const { files } = clients(agent, version, binary);
    const { entry } = await files.stat({ path: agent.root }, { headers });
    expect(entry).toMatchObject({ type: FileType.DIRECTORY, path: agent.root });
    const missing = files.stat({ path: 'no-such' }, { headers });
    await expect(missing).rejects.toMatchObject({
      code: Code.NotFound,
      rawMessage: `file not found: lstat ${agent.home}/no-such: no such file or directory`,
    });
  });

  it('feed a process by a stream of inputs', async () => {
    const { process } = clients(agent, version, binary);
    const output = collect(
      process.start({ process: shell('cat'), tag: `fed-${version}-${binary}`, stdin: true }, { headers }),
    );
    const selector = { selector: { case: 'tag' as const, value: `fed-${version}-${binary}` } };
    await eventually(() => process.update({ process: selector }, { headers }));
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
