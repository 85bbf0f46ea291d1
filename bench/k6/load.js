// @ts-nocheck: the modules of k6 are not those of Node.
// The load test, run by k6: `npm run bench -- load`, or by hand:
//   SANDGATE_LOAD_TARGET=http://127.0.0.1:8080 … k6 run bench/k6/load.js
// Each request has an expected answer. Policies change according to the timetable; the conductor
// (bench/load/conductor.mjs) writes the changes. Settings, all from the environment:
//   SANDGATE_LOAD_TARGET       URL of the Envoy with a gate
//   SANDGATE_LOAD_REFERENCE    URL of the Envoy without one; if unset, no ratio is computed
//   SANDGATE_LOAD_RATE         requests per second
//   SANDGATE_LOAD_SECONDS      duration
//   SANDGATE_LOAD_CAPACITY     1: closed loop, to measure the capacity
//   SANDGATE_LOAD_PORT         port of the sandboxes; SANDGATE_LOAD_WEBSOCKET_PORT: port of a sandbox that echoes frames, 0 for none
//   SANDGATE_LOAD_DOMAIN       their parent domain
//   SANDGATE_LOAD_ADDRESS      destination for the Envoy without a gate
//   SANDGATE_LOAD_TOKEN        the token of every steady sandbox, and the seed of the rotating ones
//   SANDGATE_LOAD_OUT          folder for summary.json and summary.html
import { check } from 'k6';
import crypto from 'k6/crypto';
import exec from 'k6/execution';
import http from 'k6/http';
import { Counter } from 'k6/metrics';
import ws from 'k6/ws';
import { capacity, scenarios } from './scenarios.js';
import { summaryHtml, summaryText } from './summary.js';
import {
  FLIPPING,
  isCertain,
  isPublic,
  periodAt,
  ROTATING,
  refusedPeriod,
  STEADY_SANDBOXES,
  tokenText,
} from './timetable.js';

const env = (name, fallback) => __ENV[`SANDGATE_LOAD_${name}`] || fallback;
const TARGET = env('TARGET', 'http://127.0.0.1:8080');
const REFERENCE = env('REFERENCE', '');
const PORT = env('PORT', '8000');
const WEBSOCKET_PORT = env('WEBSOCKET_PORT', '0');
const DOMAIN = env('DOMAIN', 'e2b.localhost');
const ADDRESS = env('ADDRESS', '127.0.0.1');
const TOKEN = env('TOKEN', '');
const OUT = env('OUT', '.');
const SECONDS = Number(env('SECONDS', '300'));
const HEADER = 'e2b-traffic-access-token';

const wrongAnswers = new Counter('wrong_answers');
const socketsHeld = new Counter('sockets_held');

const planned =
  env('CAPACITY', '') === ''
    ? scenarios({ rate: Number(env('RATE', '500')), seconds: SECONDS, sockets: 20 })
    : capacity({ seconds: SECONDS });
if (REFERENCE === '') delete planned.reference;
if (WEBSOCKET_PORT === '0') delete planned.websockets;

export const options = {
  scenarios: planned,
  discardResponseBodies: true,
  summaryTrendStats: ['min', 'med', 'p(90)', 'p(95)', 'p(99)', 'p(99.9)', 'max'],
  thresholds: {
    wrong_answers: ['count==0'],
    http_req_failed: ['rate==0'],
    checks: ['rate==1'],
    // Always true: k6 keeps figures of a part only if a threshold names it.
    'http_req_duration{scenario:steady}': ['max>=0'],
    'http_req_duration{scenario:reference}': ['max>=0'],
  },
};

export function steady() {
  ask(`s${Math.floor(Math.random() * STEADY_SANDBOXES)}`, TOKEN, 200);
}

export function denials() {
  const id = `s${exec.scenario.iterationInTest % STEADY_SANDBOXES}`;
  const kind = exec.scenario.iterationInTest % 4;
  if (kind === 0) ask(id, undefined, 403);
  else if (kind === 1) ask(id, `${TOKEN}x`, 403);
  else if (kind === 2) ask(`nosuch${exec.scenario.iterationInTest}`, TOKEN, 502);
  else get(TARGET, `${id}.elsewhere.example`, { [HEADER]: TOKEN }, 400);
}

export function rotating() {
  const now = Date.now();
  const stale = exec.scenario.iterationInTest % 2 === 0;
  const period = stale ? refusedPeriod(now) : periodAt(now);
  ask(ROTATING, crypto.sha256(tokenText(TOKEN, period), 'hex'), stale ? 403 : 200);
}

export function flipping() {
  const now = Date.now();
  if (isCertain(now)) ask(FLIPPING, undefined, isPublic(now) ? 200 : 403);
  else ask(FLIPPING, TOKEN, 200);
}

export function reference() {
  const id = `s${exec.scenario.iterationInTest % STEADY_SANDBOXES}`;
  get(REFERENCE, hostOf(id), { [HEADER]: TOKEN, 'x-bench-destination': `${ADDRESS}:${PORT}` }, 200);
}

/** Stays open for half a minute and sends a frame each second, all of which must come back. */
export function websockets() {
  const left = SECONDS * 1000 * (1 - exec.scenario.progress);
  const forMs = Math.max(1000, Math.min(30_000, left - 2000));
  const headers = { Host: `${WEBSOCKET_PORT}-s0.${DOMAIN}`, [HEADER]: TOKEN };
  let [sent, back] = [0, 0];
  let broken = false;
  const answer = ws.connect(TARGET.replace('http', 'ws'), { headers }, (socket) => {
    socket.on('message', () => {
      back++;
    });
    socket.on('error', () => {
      broken = true;
    });
    socket.setInterval(() => {
      sent++;
      socket.send(`frame ${sent}`);
    }, 1000);
    // Half a second after the last frame.
    socket.setTimeout(() => socket.close(), Math.floor(forMs / 1000) * 1000 + 500);
  });
  const held = check(answer, {
    'a WebSocket is held open, and every frame comes back': (got) =>
      got?.status === 101 && !broken && back === sent,
  });
  if (held) socketsHeld.add(1);
  else wrong('websocket', `101 and ${sent} frames`, `${answer?.status} and ${back}`);
}

function ask(id, token, status) {
  get(TARGET, hostOf(id), token === undefined ? {} : { [HEADER]: token }, status);
}

function hostOf(id) {
  return `${PORT}-${id}.${DOMAIN}`;
}

function get(url, host, headers, status) {
  const responseCallback = http.expectedStatuses(status);
  const answer = http.get(`${url}/`, { headers: { ...headers, Host: host }, responseCallback });
  if (answer.status !== status)
    wrong(
      exec.scenario.name,
      status,
      `${answer.status || answer.error} after ${answer.timings.duration.toFixed(0)} ms`,
    );
}

let reported = 0;

function wrong(name, expected, got) {
  wrongAnswers.add(1);
  if (reported++ < 3) console.error(`${name}: expected ${expected}, got ${got}`);
}

export function handleSummary(data) {
  return {
    stdout: summaryText(data),
    [`${OUT}/summary.txt`]: summaryText(data),
    [`${OUT}/summary.json`]: JSON.stringify(data, null, 1),
    [`${OUT}/summary.html`]: summaryHtml(data),
  };
}
