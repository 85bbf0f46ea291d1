// Those whom an attack must not harm: a client with a connection of its own, and a probe.
import { request } from 'node:http';
import { connect as connectHttp2 } from 'node:http2';
import { request as requestTls } from 'node:https';

/** @typedef {{ status: number, ms: number, body: string }} Answer Status 0: no answer in time. */

/**
 * One request over a new TLS connection.
 * @param {import('./kinds.mjs').Address} at @param {import('./kinds.mjs').Entry} entry
 * @param {'h2' | 'http/1.1'} protocol @param {number} withinMs
 * @returns {Promise<Answer>}
 */
export function askAsNewcomer(at, entry, protocol, withinMs) {
  const headers = { 'e2b-traffic-access-token': entry.token };
  if (protocol === 'http/1.1') {
    const options = {
      ...at,
      headers: { host: entry.host, ...headers },
      agent: false,
      rejectUnauthorized: false,
    };
    return readAnswer(requestTls(options), withinMs);
  }
  const began = performance.now();
  return new Promise((resolve) => {
    const session = connectHttp2(`https://${at.host}:${at.port}`, { rejectUnauthorized: false });
    const finish = (/** @type {number} */ status) => {
      clearTimeout(timer);
      session.destroy();
      resolve({ status, ms: performance.now() - began, body: '' });
    };
    const timer = setTimeout(finish, withinMs, 0);
    session.on('error', () => finish(0));
    session.once('close', () => finish(0));
    const stream = session.request({ ':authority': entry.host, ...headers });
    stream.on('error', () => finish(0));
    stream.on('response', (answered) => {
      stream.resume();
      stream.once('end', () => finish(Number(answered[':status'])));
    });
    stream.end();
  });
}

/** @param {string} socketPath @param {string} path @param {number} withinMs @returns {Promise<Answer>} */
export function askPath(socketPath, path, withinMs) {
  return readAnswer(request({ socketPath, path, agent: false }), withinMs);
}

/** @param {import('node:http').ClientRequest} sent @param {number} withinMs @returns {Promise<Answer>} */
function readAnswer(sent, withinMs) {
  const began = performance.now();
  return new Promise((resolve) => {
    const finish = (/** @type {number} */ status, body = '') => {
      clearTimeout(timer);
      sent.destroy();
      resolve({ status, ms: performance.now() - began, body });
    };
    const timer = setTimeout(finish, withinMs, 0);
    sent.on('error', () => finish(0));
    sent.on('response', (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (/** @type {string} */ text) => {
        body += text;
      });
      response.on('error', () => finish(0));
      response.on('end', () => finish(response.statusCode ?? 0, body));
    });
    sent.end();
  });
}
