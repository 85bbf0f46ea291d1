// A closed loop over HTTP/1.1 keep-alive connections: each sends a request, waits for the whole answer, sends the
// next. Small on purpose: the fewer cycles it takes, the less it distorts what it measures on the same machine.
// usage: node bench/load.mjs '{"port":3002,"host":"8000-a.e2b.localhost","headers":"…\r\n","connections":32,"seconds":3}'
// Prints one JSON line: { requests, failed, seconds, p50, p99 } with latencies in milliseconds.
import { connect } from 'node:net';

const { port, host, headers, connections, seconds } = JSON.parse(process.argv[2] ?? '{}');
const request = Buffer.from(`GET / HTTP/1.1\r\nHost: ${host}\r\n${headers}\r\n`);
/** @type {number[]} */
const latencies = [];
let failed = 0;
const started = performance.now();
const until = started + seconds * 1000;

await Promise.all(Array.from({ length: connections }, one));
const took = (performance.now() - started) / 1000;
latencies.sort((a, b) => a - b);
/** @param {number} share */
const at = (share) => latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * share))];
console.log(
  JSON.stringify({ requests: latencies.length, failed, seconds: took, p50: at(0.5), p99: at(0.99) }),
);

/** @returns {Promise<void>} */
function one() {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.setNoDelay(true);
    let sentAt = 0;
    let text = '';
    const send = () => {
      sentAt = performance.now();
      if (sentAt > until) {
        socket.destroy();
        resolve();
      } else {
        socket.write(request);
      }
    };
    socket.on('connect', send);
    socket.on('error', () => {
      failed++;
      resolve();
    });
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1');
      const end = text.indexOf('\r\n\r\n');
      if (end < 0) return;
      const length = Number(/content-length: (\d+)/i.exec(text)?.[1] ?? 0);
      if (text.length < end + 4 + length) return;
      if (!text.startsWith('HTTP/1.1 200')) failed++;
      latencies.push(performance.now() - sentAt);
      text = '';
      send();
    });
  });
}
