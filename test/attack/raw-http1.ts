import { connect, type Socket } from 'node:net';
import type { Address } from '../../src/address.ts';

/** The bytes of one request from head lines and body; characters are latin1. */
export function bytesOf(lines: readonly string[], body = ''): string {
  return `${lines.join('\r\n')}\r\n\r\n${body}`;
}

/** A GET with `Connection: close` and these lines, unchanged. */
export function get(host: string, lines: readonly string[] = [], path = '/'): string {
  return bytesOf([`GET ${path} HTTP/1.1`, `Host: ${host}`, ...lines, 'Connection: close']);
}

/**
 * Sends bytes unchanged and returns the first complete answer, or what arrived before the connection ended. Does not
 * wait for the end of a connection that Envoy keeps half open for a second after its own 400.
 */
export function askOnce(ingress: Address, bytes: string): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(ingress.port, ingress.host).setEncoding('latin1');
    let received = '';
    const finish = () => {
      socket.destroy();
      resolve(received);
    };
    socket.on('data', (chunk: string) => {
      received += chunk;
      if (isWhole(received)) finish();
    });
    socket.on('error', finish);
    socket.on('close', finish);
    socket.write(bytes, 'latin1');
  });
}

function isWhole(text: string): boolean {
  const end = text.indexOf('\r\n\r\n');
  if (end === -1) return false;
  if (statusOf(text) === 204) return true;
  const length = /^content-length: (\d+)/im.exec(text.slice(0, end))?.[1];
  return length === undefined ? text.endsWith('\r\n0\r\n\r\n') : text.length >= end + 4 + Number(length);
}

/** The status in the result of `askOnce` or `askRaw`; 0 if the connection ended without an answer. */
export function statusOf(answer: string): number {
  return Number(/^HTTP\/1\.1 (\d{3})/.exec(answer)?.[1] ?? 0);
}

/** Every status line that arrived on one connection. */
export function statusesOf(answers: string): number[] {
  return [...answers.matchAll(/HTTP\/1\.1 (\d{3})/g)].map(([, status]) => Number(status));
}

/** A connection to write and read step by step. */
export interface RawConnection {
  socket: Socket;
  send(bytes: string): void;
  /** Resolves with everything received, once it contains the text; rejects if the connection ends first. */
  until(what: string | RegExp): Promise<string>;
}

export async function openRaw(ingress: Address): Promise<RawConnection> {
  const socket = connect(ingress.port, ingress.host).setEncoding('latin1');
  let received = '';
  let ended = false;
  socket.on('data', (chunk: string) => {
    received += chunk;
  });
  socket.on('error', () => {});
  socket.on('close', () => {
    ended = true;
  });
  await new Promise((resolve) => socket.once('connect', resolve));
  return {
    socket,
    send: (bytes) => void socket.write(bytes, 'latin1'),
    until: (what) =>
      new Promise((resolve, reject) => {
        const look = () => {
          if (typeof what === 'string' ? received.includes(what) : what.test(received)) resolve(received);
          else if (ended) reject(new Error(`the connection ended after ${JSON.stringify(received)}`));
          else return;
          socket.off('data', look);
          socket.off('close', look);
        };
        socket.on('data', look);
        socket.on('close', look);
        look();
      }),
  };
}
