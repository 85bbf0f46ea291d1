import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import type { Address } from '../address.ts';
import { SandgateError } from '../errors.ts';

/**
 * One ops address per gate: the given port and those after it. For port 0, free ports are picked here and not by the
 * gates, because each gate must know the others' ports, to never dial them.
 */
export async function gateOpsAddresses(
  first: Address,
  gates: number,
  setting = 'SANDGATE_OPS',
): Promise<Address[]> {
  if (first.port !== 0)
    return Array.from({ length: gates }, (_, n) => ({ host: first.host, port: first.port + n }));
  const held = await Promise.all(
    Array.from({ length: gates }, async () => {
      const server = createServer();
      await new Promise<void>((resolve, reject) =>
        server.once('error', reject).listen(0, first.host, resolve),
      ).catch((cause: Error) => {
        throw new SandgateError('ADDRESS_IN_USE', `cannot listen on ${first.host}: ${cause.message}`, {
          remedy: `name an address of this machine (${setting})`,
          cause,
        });
      });
      return server;
    }),
  );
  const ports = held.map((server) => (server.address() as AddressInfo).port);
  await Promise.all(held.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports.map((port) => ({ host: first.host, port }));
}
