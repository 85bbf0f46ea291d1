import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { closedLoop } from '../../bench/client/closed-loop.mjs';
import { openLoop } from '../../bench/client/open-loop.mjs';

const ANSWER = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok';
const requests = () => ({ bytes: Buffer.from('GET / HTTP/1.1\r\n\r\n'), status: 200 });

let server: Server | undefined;
const sockets = new Set<Socket>();

afterEach(() => {
  for (const socket of sockets) socket.destroy();
  server?.close();
  vi.useRealTimers();
});

/** A server that answers the bytes of the nth request with `answer`. */
async function listen(answer: (socket: Socket, n: number) => void): Promise<number> {
  let asked = 0;
  server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.on('data', () => answer(socket, asked++));
  });
  await new Promise<void>((resolve) => server!.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

describe('an open loop', () => {
  it('charges a stall to every request that it delays, from its due time', async () => {
    const port = await listen((socket, n) => {
      if (n > 0) socket.write(ANSWER);
      else setTimeout(() => socket.write(ANSWER), 200);
    });
    const due = Float64Array.from([1, 2, 3, 4]);
    const { latencies, wrong } = await openLoop({ port, requests, due, connections: 1 });
    expect(wrong).toBe(0);
    expect(latencies).toHaveLength(4);
    expect(Math.min(...latencies)).toBeGreaterThan(150);
  });

  it('sends a due request even if the one before has no answer', async () => {
    let held: Socket | undefined;
    const port = await listen((socket, n) => {
      if (n === 0) {
        held = socket;
        return;
      }
      socket.write(ANSWER);
      held?.write(ANSWER);
    });
    const due = Float64Array.from([1, 2]);
    const { latencies, wrong } = await openLoop({ port, requests, due, connections: 2 });
    expect({ answered: latencies.length, wrong }).toEqual({ answered: 2, wrong: 0 });
  });

  it('counts an answer of another status, and a broken connection, as wrong', async () => {
    const port = await listen((socket, n) => {
      if (n === 0) socket.write(ANSWER.replace('200', '503'));
      else if (n === 1) socket.destroy();
      else socket.write(ANSWER);
    });
    const due = Float64Array.from([1, 20, 60]);
    const { latencies, wrong } = await openLoop({ port, requests, due, connections: 1 });
    expect({ answered: latencies.length, wrong }).toEqual({ answered: 1, wrong: 2 });
  });
});

describe('a closed loop', () => {
  it('counts all answers, and the wrong ones', async () => {
    vi.useFakeTimers({ toFake: ['performance'] });
    const port = await listen((socket, n) => {
      if (n === 9) vi.advanceTimersByTime(100);
      socket.write(n === 0 ? ANSWER.replace('200', '403') : ANSWER);
    });
    const { latencies, wrong } = await closedLoop({
      port,
      requests,
      seconds: 0.05,
      connections: 2,
      websocket: false,
    });
    expect(wrong).toBe(1);
    expect(latencies.length).toBeGreaterThanOrEqual(10);
  });
});
