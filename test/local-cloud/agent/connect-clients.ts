import { createClient } from '@connectrpc/connect';
import { createConnectTransport } from '@connectrpc/connect-node';
import { Filesystem } from '../../../local-cloud/agent/gen/filesystem/filesystem_pb.ts';
import { Process, type ProcessEvent } from '../../../local-cloud/agent/gen/process/process_pb.ts';
import { type AgentProcess, TOKEN } from './agent-process.ts';

export const headers = { 'x-access-token': TOKEN };
export const shell = (script: string) => ({ cmd: '/bin/sh', args: ['-c', script] });
export const pidOf = (value: number) => ({ selector: { case: 'pid' as const, value } });

/** Clients of both services, generated from the same protos. */
export function clients(agent: AgentProcess, httpVersion: '1.1' | '2', useBinaryFormat: boolean) {
  const transport = createConnectTransport({ baseUrl: agent.url, httpVersion, useBinaryFormat });
  return { process: createClient(Process, transport), files: createClient(Filesystem, transport) };
}

/** Everything in a stream of process events. */
export async function collect(events: AsyncIterable<{ event?: ProcessEvent | undefined }>) {
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

/** Starts a script and returns after its start event; `rest` is what follows. */
export async function startScript(
  process: ReturnType<typeof clients>['process'],
  script: string,
  options: { timeoutMs?: number; tag?: string; stdin?: boolean } = {},
) {
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
