import { Code, type ConnectError } from '@connectrpc/connect';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FileType } from '../../../../local-cloud/agent/gen/filesystem/filesystem_pb.ts';
import { eventually } from '../../../stack/eventually.ts';
import { type AgentProcess, startAgentProcess } from '../agent-process.ts';
import { clients, headers } from '../connect-clients.ts';

let agent: AgentProcess;
beforeAll(async () => {
  agent = await startAgentProcess();
});
afterAll(() => agent.stop());

describe('the filesystem service', () => {
  let files: ReturnType<typeof clients>['files'];
  beforeAll(() => {
    files = clients(agent, '1.1', false).files;
  });

  it('collects events for a watcher that is polled', async () => {
    await files.makeDir({ path: 'asked' }, { headers });
    const request = { path: 'asked', recursive: true, includeEntry: true };
    const { watcherId } = await files.createWatcher(request, { headers });
    await files.makeDir({ path: 'asked/made' }, { headers });
    await eventually(async () => {
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

  it('allows 256 watchers', async () => {
    const ids: string[] = [];
    const make = async () => ids.push((await files.createWatcher({ path: '' }, { headers })).watcherId);
    for (let n = 0; n < 256; n += 1) await make();
    await expect(make()).rejects.toMatchObject({ code: Code.ResourceExhausted });
    for (const watcherId of ids) await files.removeWatcher({ watcherId }, { headers });
    await make();
    await files.removeWatcher({ watcherId: ids.at(-1)! }, { headers });
  });

  it('reports what prevents an operation', async () => {
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
