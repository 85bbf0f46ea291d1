// A stand-in for the agent: runs what it is sent in a login shell and answers with exit code and output. With
// `x-user: user`, it becomes that user if it can. `GET /started` returns its environment, what it read on standard input,
// and the Host of the request.
import { spawn } from 'node:child_process';
import { createServer } from 'node:http';
import { text } from 'node:stream/consumers';

const input = await text(process.stdin);
createServer(async (request, response) => {
  if (request.url === '/started') {
    const { host, 'x-forwarded-host': forwarded = null } = request.headers;
    response.end(JSON.stringify({ env: process.env, input, host, forwarded }));
    return;
  }
  const lower = request.headers['x-user'] === 'user' && process.getuid?.() === 0;
  const child = spawn('/bin/bash', ['-l', '-c', await text(request)], {
    ...(lower && { uid: 1000, gid: 1000 }),
    // Each command in a group of its own, so that its background servers survive it.
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let out = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (part) => (out += part));
  child.on('error', (error) => response.end(JSON.stringify({ code: -1, out: error.message })));
  child.on('exit', (code) => setTimeout(() => response.end(JSON.stringify({ code, out })), 20));
}).listen(Number(process.argv[2] ?? 49983), '127.0.0.1');
