import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import type { Address } from '../../src/address.ts';

/** A listener with a full backlog: Linux drops further connection attempts, so the address never answers. */
export interface SilentListener extends Address {
  close(): void;
}

const BACKLOG = 1;
/** It blocks in a read and never accepts. It ends when its standard input closes, at the latest with this process. */
const LISTEN = `
  const server = require('node:net').createServer();
  server.listen({ port: 0, host: process.argv[1], backlog: ${BACKLOG} }, () => {
    console.log(server.address().port);
    require('node:fs').readSync(0, Buffer.alloc(1));
    process.exit();
  });
`;

/** With the host `0.0.0.0`, the port is silent at every address of 127.0.0.0/8. */
export async function startSilentListener(host = '127.0.0.1'): Promise<SilentListener> {
  const listener = spawn(process.execPath, ['-e', LISTEN, host], { stdio: ['pipe', 'pipe', 'inherit'] });
  const port = Number((await once(listener.stdout, 'data'))[0]);
  const queued: Socket[] = [];
  // The queue holds one more than its length.
  for (let n = 0; n <= BACKLOG; n++) {
    const socket = connect(port, '127.0.0.1');
    queued.push(socket);
    await once(socket, 'connect');
  }
  return {
    host,
    port,
    close() {
      for (const socket of queued) socket.destroy();
      listener.stdin.end();
    },
  };
}
