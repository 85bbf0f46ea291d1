import { openConnection } from './connection.mjs';

/**
 * Each connection sends a request, waits for the whole answer and sends the next one; this measures capacity. A
 * WebSocket handshake takes its own connection.
 * @param {{ port: number, requests: import('./requests.mjs').Requests, seconds: number, connections: number, websocket: boolean }} load
 */
export async function closedLoop({ port, requests, seconds, connections, websocket }) {
  /** @type {number[]} */
  const latencies = [];
  let wrong = 0;
  const started = performance.now();
  const until = started + seconds * 1000;
  await Promise.all(Array.from({ length: connections }, one));
  return { latencies: Float64Array.from(latencies), wrong, seconds: (performance.now() - started) / 1000 };

  /** @returns {Promise<void>} */
  function one() {
    return new Promise((resolve) => {
      let sentAt = 0;
      let expected = 0;
      const open = () =>
        openConnection(port, {
          onOpen: send,
          onStatus(status) {
            if (status !== expected) wrong++;
            latencies.push(performance.now() - sentAt);
            if (websocket) {
              connection.close();
              if (performance.now() > until) resolve();
              else connection = open();
            } else {
              send();
            }
          },
          onBroken() {
            wrong++;
            if (performance.now() > until) resolve();
            else connection = open();
          },
        });
      let connection = open();

      function send() {
        sentAt = performance.now();
        if (sentAt > until) {
          connection.close();
          resolve();
          return;
        }
        const { bytes, status } = requests();
        expected = status;
        connection.send(bytes);
      }
    });
  }
}
