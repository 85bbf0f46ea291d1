import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { Address } from '../../src/address.ts';
import {
  type Case,
  closed,
  hostAt,
  ID,
  invalid,
  ORDER_CASES,
  OTHER,
  TARGET_CASES,
  TITLED,
  UNAVAILABLE,
  WITH_TOKEN,
} from '../e2e/cases.ts';
import { type Fleet, startFleet } from '../e2e/fleet.ts';
import { BROWSER } from '../e2e/page.ts';
import { casesOn, WIRES, type Wire } from '../e2e/wires.ts';
import { ask, http2Session } from '../stack/client.ts';
import { eventually } from '../stack/eventually.ts';
import type { Recorder } from '../stack/recorder.ts';
import { digestOf, TOKEN } from '../stack/test-stack.ts';
import { expectUnavailable } from '../stack/unavailable.ts';
import type { Difference } from './differences.ts';
import {
  freeAddress,
  type IngressFleet,
  type SandboxRoute,
  STARTS_WITHIN,
  startIngressFleet,
} from './ingress-fleet.ts';
import { type Ingress, type Observed, observe } from './observed.ts';

const also = (what: string, headers: Record<string, string>): Case[] =>
  TITLED.map(([, one]) => ({
    ...one,
    name: `${one.name}, ${what}`,
    request: { ...one.request, headers: { ...one.request.headers, ...headers } },
  }));

/** Headers that a client must not be able to send. */
const LIES: Case = {
  name: 'headers that only Envoy and the gate may set',
  request: {
    host: hostAt(OTHER),
    headers: {
      'x-sandgate-reason': 'preflight',
      'x-sandgate-made-up': 'a',
      'x-envoy-original-dst-host': '127.0.0.1:1',
      'x-envoy-external-address': '203.0.113.7',
      'x-envoy-retry-on': '5xx',
      'x-envoy-upstream-rq-timeout-ms': '1',
      'x-forwarded-for': '203.0.113.7',
      'x-forwarded-proto': 'https',
      'x-forwarded-host': 'evil.example',
      'x-forwarded-made-up': 'a',
      forwarded: 'for=203.0.113.7',
      x_forwarded_for: '203.0.113.7',
      'x_envoy-made_up': 'a',
      'x-sandgate_made-up': 'a',
      x_underscore: 'kept',
    },
  },
  expected: { at: [OTHER, 8080], sees: {} },
};

/** Of the sandbox whose answers the tests below set. */
const GET_FROM_OTHER: Case = {
  name: '',
  request: { host: hostAt(OTHER, 3000) },
  expected: { at: [OTHER, 3000] },
};

/** The table of the contract; each refusal also as a page, and to a gRPC client; and more of what a sandbox receives. */
const CASES: readonly Case[] = [
  ...TARGET_CASES,
  ...ORDER_CASES,
  ...TITLED.map(([, one]) => one),
  ...also('for a browser', BROWSER),
  ...also('for a gRPC client', { 'content-type': 'application/grpc', te: 'trailers' }),
  LIES,
  {
    name: 'a method that Envoy does not know by default',
    request: { host: hostAt(OTHER), method: 'QUERY' },
    expected: { at: [OTHER, 8080], sees: {} },
  },
  {
    name: 'an upgrade that Envoy ignores',
    request: { host: hostAt(OTHER), headers: { connection: 'upgrade', upgrade: 'TLS/1.2' } },
    expected: { at: [OTHER, 8080], sees: {} },
  },
  {
    name: 'a port that no route of the ingress has',
    request: { host: hostAt(OTHER, 10) },
    expected: closed(OTHER, 10),
  },
];

/** An ingress with routes of its own, with what Sandgate ships for it. */
export interface ComparedIngress {
  name: string;
  /** Resolves once it listens at `http`; it uses the folder as it likes. */
  start(context: {
    folder: string;
    http: Address;
    fleet: IngressFleet;
    routes: readonly SandboxRoute[];
  }): Promise<{ stop(): Promise<void> }>;
  differences: readonly Difference[];
}

/** Registers the tests that compare this ingress with the bundled config, answer by answer. */
export function compareWithBundled({ name: ingressName, start, differences }: ComparedIngress): void {
  let folder: string;
  let bundled: Fleet;
  let fleet: IngressFleet;
  let running: { stop(): Promise<void> } | undefined;
  let ingress: Ingress;
  let reference: Ingress;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'sandgate-ingress-'));
    bundled = await startFleet();
    fleet = await startIngressFleet(folder);
    const http = await freeAddress();
    const routes = fleet.routesFor(CASES.filter(({ request }) => request.host !== hostAt(OTHER, 10)));
    running = await start({ folder, http, fleet, routes });
    ingress = { http, takeArrivals: fleet.takeArrivals };
    reference = { http: bundled.stack.http, takeArrivals: bundled.takeArrivals };
    await vi.waitFor(async () => {
      const { status, body } = await ask(http, { host: hostAt(ID), headers: WITH_TOKEN });
      if (status !== 200) throw new Error(`${status} ${body}`);
    }, STARTS_WITHIN);
  });

  afterAll(async () => {
    await running?.stop();
    await fleet?.stop();
    await bundled?.stop();
    if (folder) rmSync(folder, { recursive: true, force: true });
  });

  const PLAIN = WIRES[0]![1];
  const observeBoth = (wire: Wire, one: Case): Promise<[Observed, Observed]> =>
    Promise.all([observe(reference, wire, one), observe(ingress, wire, one)]);

  /** Neither offers extended CONNECT; a browser then opens WebSockets over HTTP/1.1. */
  const OFFERED = WIRES.filter(([name]) => name !== 'a WebSocket over HTTP/2');

  describe.each(OFFERED)(`over %s, ${ingressName} and the bundled config`, (_, wire) => {
    it.each(casesOn(wire, CASES))('do the same, or differ as documented: %s', async (_name, one) => {
      const [by, behind] = await observeBoth(wire, one);
      const difference = differences.find(({ applies }) => applies(one));
      if (difference === undefined) expect(behind).toEqual(by);
      else {
        expect(behind).not.toEqual(by);
        expect(behind, difference.what).toEqual(difference.expected(by, one));
      }
    });
  });

  it.each(differences)('the difference "$what" is met by a case, and no other one is', ({ applies }) => {
    const met = CASES.filter(applies);
    expect(met.length).toBeGreaterThan(0);
    for (const one of met) expect(differences.filter((other) => other.applies(one))).toHaveLength(1);
  });

  it(`${ingressName} does not offer WebSockets over HTTP/2, unlike the bundled config`, async () => {
    for (const [{ http }, offered] of [
      [reference, true],
      [ingress, false],
    ] as const) {
      const session = await http2Session(http);
      expect(session.remoteSettings.enableConnectProtocol ?? false).toBe(offered);
      session.destroy();
    }
  });

  /** Lets this server of the sandbox answer otherwise, behind both. */
  async function whileAnswering(
    [sandboxId, port]: [string, number],
    answer: Recorder['answer'],
    work: () => Promise<void>,
  ): Promise<void> {
    const recorders = [bundled, fleet].map((one) => one.recorderOf(sandboxId, port));
    const before = recorders.map((recorder) => recorder.answer);
    for (const recorder of recorders) recorder.answer = answer;
    try {
      await work();
    } finally {
      recorders.forEach((recorder, n) => {
        recorder.answer = before[n]!;
      });
    }
  }

  describe.each([
    ['a program', {}],
    ['a browser', BROWSER],
  ])(`to %s, ${ingressName} and the bundled config answer the same`, (_, headers) => {
    it('if the server breaks off, except that only the bundled config repeats a GET', () =>
      whileAnswering(
        [OTHER, 3000],
        (request) => void request.socket.destroy(),
        async () => {
          const failed = { status: 502, headers: { 'x-sandgate-reason': 'upstream_failed' } };
          for (const method of ['POST', 'GET']) {
            const one = {
              name: '',
              request: { host: hostAt(OTHER, 3000), method, headers },
              expected: closed(OTHER, 3000),
            };
            const [by, behind] = await observeBoth(PLAIN, one);
            expect(behind).toMatchObject(failed);
            expect(behind.arrived).toHaveLength(1);
            const difference = {
              headers: { ...behind.headers, 'x-sandgate-reason': 'port_closed' },
              arrived: [behind.arrived[0], behind.arrived[0]],
            };
            expect(by).toEqual(method === 'GET' ? { ...behind, ...difference } : behind);
          }
        },
      ));

    it('if the token expires before the server answers', () =>
      whileAnswering(
        ['none', 8080],
        () => {},
        async () => {
          const one = {
            name: '',
            request: { host: hostAt('none'), headers: { ...WITH_TOKEN, ...headers } },
            expected: invalid('none'),
          };
          const tokens = () => [
            { id: 'brief', sha256: digestOf(TOKEN), expiresAt: new Date(Date.now() + 5000).toISOString() },
          ];
          const route = { address: bundled.addressOf('none') };
          await bundled.stack.put({ sandboxId: 'none', runtime: { route }, access: { tokens: tokens() } });
          await fleet.put({ sandboxId: 'none', access: { tokens: tokens() } });
          const [by, behind] = await observeBoth(PLAIN, one);
          expect(behind).toEqual(by);
          expect(by).toMatchObject({ status: 403, headers: { 'x-sandgate-reason': 'token_invalid' } });
          expect(by.arrived).toHaveLength(1);
        },
      ));
  });

  it.each([
    ['Content-Length and Transfer-Encoding', ['content-length: 2', 'transfer-encoding: chunked']],
    ['more than 100 headers', ['transfer-encoding: chunked', ...Array(101).fill('x-many: a')]],
  ])(`an answer with %s passes the bundled config, and is refused behind ${ingressName}`, (_, headers) =>
    whileAnswering(
      [OTHER, 3000],
      ({ socket }) =>
        void socket.end(['HTTP/1.1 200 OK', ...headers, '', '2\r\nok\r\n0\r\n\r\n'].join('\r\n')),
      async () => {
        const [by, behind] = await observeBoth(PLAIN, GET_FROM_OTHER);
        expect(by).toMatchObject({ status: 200, body: 'ok' });
        const refusal = { 'x-sandgate-reason': 'upstream_protocol_error' };
        expect(behind).toMatchObject({ status: 502, headers: refusal });
      },
    ),
  );

  it(`a sandbox cannot set the reason; behind ${ingressName} it can set other x-sandgate headers, which mean nothing`, () =>
    whileAnswering(
      [OTHER, 3000],
      (_, response) =>
        void response
          .writeHead(503, { 'x-sandgate-reason': 'unavailable', 'x-sandgate-made-up': 'a' })
          .end('own'),
      async () => {
        const [by, behind] = await observeBoth(PLAIN, GET_FROM_OTHER);
        expect(by).toMatchObject({ status: 503, body: 'own', headers: {} });
        expect(behind).toEqual({ ...by, headers: { ...by.headers, 'x-sandgate-made-up': 'a' } });
      },
    ));

  // Last, because they take the gates away.
  describe(`behind ${ingressName}, if`, () => {
    const get = (headers: Record<string, string> = {}) =>
      ask(ingress.http, { host: hostAt(ID), headers: { ...WITH_TOKEN, ...headers } });
    const isBack = () =>
      eventually(async () => {
        expect((await get()).status).toBe(200);
      });

    it('one of two gates is killed and restarted under traffic, how many requests fail', async () => {
      const answers: number[] = [];
      let isOver = false;
      const clients = Array.from({ length: 8 }, async () => {
        while (!isOver) answers.push((await get()).status);
      });
      await fleet.processes[0]!.end();
      await eventually(() => expect(answers.length).toBeGreaterThan(500));
      await fleet.startGate(0);
      await eventually(() => expect(answers.length).toBeGreaterThan(1000));
      isOver = true;
      await Promise.all(clients);
      const failed = answers.filter((status) => status !== 200);
      process.stderr.write(
        `a gate killed under traffic: ${failed.length} of ${answers.length} requests failed\n`,
      );
      expect(new Set(failed)).toEqual(new Set(failed.length > 0 ? [503] : []));
      expect(failed.length / answers.length).toBeLessThan(0.01);
    });

    it('both gates are frozen, every request gets the contract’s 503 and none arrives', async () => {
      for (const gate of fleet.processes) gate.signal('SIGSTOP');
      fleet.takeArrivals();
      const began = performance.now();
      for (const headers of [{}, BROWSER]) expectUnavailable(await get(headers));
      process.stderr.write(`frozen gates: ${Math.round((performance.now() - began) / 2)} ms until the 503\n`);
      expect(fleet.takeArrivals()).toEqual([]);
      for (const gate of fleet.processes) gate.signal('SIGCONT');
      await isBack();
    });

    it('both gates are down, every request gets the contract’s 503 and none arrives', async () => {
      await Promise.all(fleet.processes.map((gate) => gate.end()));
      fleet.takeArrivals();
      const hosts = [hostAt(ID), hostAt(OTHER), hostAt('nobody'), 'nonsense', hostAt(OTHER, 10)];
      for (const host of hosts) {
        for (const headers of [{}, WITH_TOKEN, BROWSER])
          expectUnavailable(await ask(ingress.http, { host, headers }));
        const one: Case = { name: '', request: { host }, expected: UNAVAILABLE };
        for (const [, wire] of OFFERED) {
          expect(await observe(ingress, wire, one)).toMatchObject({
            status: 503,
            body: UNAVAILABLE.body,
            arrived: [],
          });
        }
      }
      await Promise.all([0, 1].map((n) => fleet.startGate(n)));
      await isBack();
    });
  });
}
