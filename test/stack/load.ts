import { Agent, request } from 'node:http';
import { setTimeout as pause } from 'node:timers/promises';
import type { Address } from '../../src/address.ts';

/** The outcome of one request of the load. */
export interface Outcome {
  /** Status; 0 if the connection broke. */
  status: number;
  /** `performance.now()` at the time it was sent. */
  sentAt: number;
  tookMs: number;
  detail: string;
}

export interface Load {
  outcomes: Outcome[];
  /** Resolves once each connection has its last answer. */
  stop(): Promise<Outcome[]>;
}

const CONNECTIONS = 8;
/** Pause between two requests of a connection: a few hundred a second in total, so that the load starves nothing. */
const PAUSE_MS = 10;

/** Sends requests over keep-alive connections, one after another on each, until `stop`. */
export function startLoad(ingress: Address, host: string, headers: Record<string, string> = {}): Load {
  const agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS });
  const outcomes: Outcome[] = [];
  let stopped = false;
  const one = async () => {
    while (!stopped) {
      outcomes.push(await askOnce(agent, ingress, { host, ...headers }));
      await pause(PAUSE_MS);
    }
  };
  const running = Array.from({ length: CONNECTIONS }, one);
  return {
    outcomes,
    async stop() {
      stopped = true;
      await Promise.all(running);
      agent.destroy();
      return outcomes;
    },
  };
}

function askOnce(agent: Agent, { host, port }: Address, headers: Record<string, string>): Promise<Outcome> {
  const sentAt = performance.now();
  return new Promise((resolve) => {
    const end = (status: number, detail: string) =>
      resolve({ status, sentAt, tookMs: performance.now() - sentAt, detail });
    const sent = request({ agent, host, port, headers, setHost: false }, (response) => {
      let body = '';
      response.setEncoding('utf8');
      response.on('data', (text: string) => {
        body += text;
      });
      response.on('error', (error) => end(0, error.message));
      response.on('end', () => end(response.statusCode ?? 0, body));
    });
    sent.on('error', (error) => end(0, error.message));
    sent.end();
  });
}

/** The number of answers of each status, such as `{ 200: 800 }`. */
export function tally(outcomes: readonly Outcome[]): Record<number, number> {
  const counts: Record<number, number> = {};
  for (const { status } of outcomes) counts[status] = (counts[status] ?? 0) + 1;
  return counts;
}

/** The 99th percentile of the latency, in milliseconds. */
export function slowest(outcomes: readonly Outcome[]): string {
  const sorted = outcomes.map(({ tookMs }) => tookMs).sort((a, b) => a - b);
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
  return `p50 ${at(0.5).toFixed(0)} ms, p99 ${at(0.99).toFixed(0)} ms, max ${at(1).toFixed(0)} ms`;
}
