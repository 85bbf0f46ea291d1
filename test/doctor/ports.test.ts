import { createServer, type Server } from 'node:net';
import { afterEach, expect, it } from 'vitest';
import type { Address } from '../../src/address.ts';
import { checkPorts } from '../../src/doctor/ports-and-names.ts';
import { identify } from '../../src/state/process-identity.ts';
import type { DevRun, GateRun } from '../../src/state/run-file.ts';

const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

async function taken(): Promise<Address> {
  const server = createServer();
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { host: '127.0.0.1', port: (server.address() as { port: number }).port };
}

const devOn = (address: Address, started = identify(process.pid)!.started): DevRun => ({
  kind: 'dev',
  pid: process.pid,
  started,
  children: [],
  http: [address],
  https: [],
});
const wanted = (address: Address) => [{ address, setting: 'SANDGATE_HTTP' }];

it('is free if nothing listens there, and free again after the check; port 0 always is', async () => {
  const address = await taken();
  await new Promise((resolve) => servers.pop()!.close(resolve));
  for (let time = 0; time < 2; time++) {
    expect(await checkPorts(wanted(address), [])).toMatchObject([{ level: 'ok', found: 'free' }]);
  }
  expect(await checkPorts(wanted({ ...address, port: 0 }), [])).toMatchObject([{ level: 'ok' }]);
});

it('fails for another program, and names the setting', async () => {
  const [finding] = await checkPorts(wanted(await taken()), []);
  expect(finding).toMatchObject({ level: 'fail', found: 'in use by another program' });
  expect(finding!.remedy).toContain('SANDGATE_HTTP');
});

it('recognizes our own process by its run file, unless it is dead', async () => {
  const address = await taken();
  expect(await checkPorts(wanted(address), [devOn(address)])).toMatchObject([
    { level: 'ok', found: `used by our own dev, pid ${process.pid}` },
  ]);
  expect(await checkPorts(wanted(address), [devOn(address, '1')])).toMatchObject([{ level: 'fail' }]);
});

it('names the gate that uses an ops address, not another one that knows it', async () => {
  const address = await taken();
  const gate = (pid: number, ops: Address) =>
    ({ ...identify(pid)!, kind: 'gate', ops, ownListeners: [address] }) as unknown as GateRun;
  const others = gate(process.ppid, { host: '127.0.0.1', port: 1 });
  expect(await checkPorts(wanted(address), [others, gate(process.pid, address)])).toMatchObject([
    { level: 'ok', found: `used by our own gate, pid ${process.pid}` },
  ]);
});
