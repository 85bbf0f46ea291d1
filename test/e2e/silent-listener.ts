import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import type { Address } from '../../src/address.ts';

/** A listener whose backlog is full: Linux drops whatever else tries to connect, so the address never answers. */
export interface SilentListener extends Address {
  close(): void;
}

const BACKLOG = 1;
/** Blocked in a read, it never accepts, and it ends with its standard input: with this process, at the latest. */
const LISTEN = `
  const server = require('node:net').createServer();
  server.listen({ port: 0, host: '127.0.0.1', backlog: ${BACKLOG} }, () => {
    console.log(server.address().port);
    require('node:fs').readSync(0, Buffer.alloc(1));
    process.exit();
  });
`;

export async function startSilentListener(): Promise<SilentListener> {
  const listener = spawn(process.execPath, ['-e', LISTEN], { stdio: ['pipe', 'pipe', 'inherit'] });
  const port = Number((await once(listener.stdout, 'data'))[0]);
  const queued: Socket[] = [];
  // The queue takes one more than its length.
  for (let n = 0; n <= BACKLOG; n++) {
    const socket = connect(port, '127.0.0.1');
    queued.push(socket);
    await once(socket, 'connect');
  }
  return {
    host: '127.0.0.1',
    port,
    close() {
      for (const socket of queued) socket.destroy();
      listener.stdin.end();
    },
  };
}
