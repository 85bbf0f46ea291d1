// A stand-in for the agent's port bridge: `PORT <n>`, then `OK` and bytes in both directions, or `REFUSED`, or `ERROR <code>`.
import { chmodSync } from 'node:fs';
import { connect, createServer } from 'node:net';

const path = process.argv[2] ?? '';
createServer({ allowHalfOpen: true }, (client) => {
  client.on('error', () => {});
  client.once('data', (line) => {
    client.pause();
    const port = Number(/^PORT (\d+)\n$/.exec(line.toString())?.[1]);
    dial(['127.0.0.1', '::1'], port, client);
  });
}).listen(path, () => chmodSync(path, 0o600));

/** @type {(hosts: string[], port: number, client: import('node:net').Socket) => void} */
function dial([host, ...others], port, client) {
  const server = connect({ host, port, allowHalfOpen: true });
  const fail = (/** @type {any} */ error) => {
    if (others.length > 0) dial(others, port, client);
    else client.end(error.code === 'ECONNREFUSED' ? 'REFUSED\n' : `ERROR ${error.code}\n`);
  };
  server.once('error', fail);
  server.once('connect', () => {
    server.off('error', fail).on('error', () => client.destroy());
    client.on('error', () => server.destroy());
    client.write('OK\n');
    client.pipe(server).pipe(client);
  });
}
