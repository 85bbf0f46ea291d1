import { openConnection } from './connection.mjs';

/** After the last arrival: what is not answered by then counts as wrong. */
const GRACE_MS = 5000;

/**
 * Requests are sent when they are due, regardless of the outcome of earlier ones. Latency counts from the moment a
 * request was due, not from when it could be sent, so a stall shows in every request it delays (no coordinated omission).
 * @param {{ port: number, requests: import('./requests.mjs').Requests, due: Float64Array, connections: number }} load
 * `due`: milliseconds from the start. Resolves with the latencies and with how late the client sent each request (`lateness`).
 */
export async function openLoop({ port, requests, due, connections }) {
  const latencies = new Float64Array(due.length);
  const lateness = new Float64Array(due.length);
  let [answered, wrong, sent] = [0, 0, 0];
  /** @type {(() => void)[]} */
  const idle = [];
  const opened = Array.from({ length: connections }, open);
  await Promise.all(opened);

  const started = performance.now();
  const end = (due.at(-1) ?? 0) + GRACE_MS;
  await new Promise((resolve) => {
    // Node's timers have a resolution of 1 ms, more than most answers take, so this loop spins, on its own core.
    const tick = () => {
      const now = performance.now() - started;
      while (sent < due.length && (due[sent] ?? 0) <= now && idle.length > 0) idle.pop()?.();
      if (answered + wrong >= due.length || now > end) resolve(undefined);
      else setImmediate(tick);
    };
    tick();
  });
  const unanswered = due.length - answered - wrong;
  return {
    latencies: latencies.subarray(0, answered),
    lateness: lateness.subarray(0, sent),
    wrong: wrong + unanswered,
    seconds: (performance.now() - started) / 1000,
  };

  /** @returns {Promise<void>} */
  function open() {
    return new Promise((resolve) => {
      let dueAt = -1;
      let expected = 0;
      const connection = openConnection(port, {
        onOpen() {
          idle.push(send);
          resolve();
        },
        onStatus(status) {
          if (status === expected) latencies[answered++] = performance.now() - started - dueAt;
          else wrong++;
          dueAt = -1;
          idle.push(send);
        },
        onBroken() {
          if (dueAt >= 0) wrong++;
          const at = idle.indexOf(send);
          if (at >= 0) idle.splice(at, 1);
          resolve();
          if (sent < due.length) setTimeout(open, 10);
        },
      });

      function send() {
        dueAt = due[sent] ?? 0;
        lateness[sent] = performance.now() - started - dueAt;
        sent++;
        const { bytes, status } = requests();
        expected = status;
        connection.send(bytes);
      }
    });
  }
}
