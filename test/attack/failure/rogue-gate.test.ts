import { constants } from 'node:http2';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Answered, ask } from '../../stack/client.ts';
import { PATIENCE } from '../../stack/patience.ts';
import { type ProcessStack, startProcessStack } from '../../stack/process-stack.ts';
import { type Recorder, startRecorder } from '../../stack/recorder.ts';
import { hostOf, TOKEN } from '../../stack/test-stack.ts';
import { expectUnavailable } from '../../stack/unavailable.ts';
import { field, framed, type RogueGate, reply, startRogueGate } from './rogue-gate.ts';

let stack: ProcessStack;
let rogue: RogueGate;
let up: Recorder;
beforeAll(async () => {
  up = await startRecorder();
  // One of the answers never arrives.
  stack = await startProcessStack({ gates: 0, bundledBounds: true });
  rogue = await startRogueGate(stack.socketOf(0));
  await stack.waitForGates(1);
});
afterAll(async () => {
  await stack?.stop();
  await rogue?.close();
  await up?.close();
});

const get = (): Promise<Answered> =>
  ask(stack.http, { host: hostOf(up.port, 'abc'), headers: { 'e2b-traffic-access-token': TOKEN } });

/** Struct fields in the form of Envoy's dynamic metadata. */
const metadata = (values: Record<string, Buffer>) =>
  field(
    4,
    Buffer.concat(
      Object.entries(values).map(([key, value]) => field(1, Buffer.concat([field(1, key), field(2, value)]))),
    ),
  );
const text = (value: string) => field(3, value);
const OK = field(3, Buffer.alloc(0));
const allowTo = (destination: string) => Buffer.concat([OK, metadata({ destination: text(destination) })]);

describe('E1: a gate that answers garbage admits no request:', () => {
  it('control: an allow with a destination is admitted', async () => {
    rogue.answer = reply(framed(allowTo(`127.0.0.1:${up.port}`)));
    await expect.poll(async () => (await get()).status, PATIENCE).toBe(200);
    up.arrivals.length = 0;
  });

  // Envoy reads each of these as an allow, but without a destination it cannot route.
  it.each([
    ['an empty CheckResponse', Buffer.alloc(0)],
    ['an allow without metadata', OK],
    ['an allow with an empty destination', allowTo('')],
    ['an allow to a host name', allowTo('localhost:80')],
    ['an allow to an address without a port', allowTo('127.0.0.1')],
    ['an allow to a port that is none', allowTo('127.0.0.1:99999')],
    ['an allow to words', allowTo('the sandbox, please')],
    ['an allow whose destination is a number', Buffer.concat([OK, metadata({ destination: field(4, 1) })])],
    ['a denial with the code 0', field(2, field(3, 'no'))],
    ['unknown fields alone', field(9, 'what is this')],
  ])('%s is a closed port', async (_name, message) => {
    rogue.answer = reply(framed(message));
    const answered = await get();
    expect(answered.status).toBe(502);
    expect(answered.headers['x-sandgate-reason']).toBe('port_closed');
    expect(up.arrivals).toEqual([]);
  });

  it.each([
    ['bytes that are no message', reply(framed(Buffer.alloc(300, 0xff)))],
    ['a message cut short', reply(Buffer.from([0, 0, 0, 1, 0, 1, 2, 3]))],
    ['a length of 2 GiB', reply(Buffer.from([0, 0x7f, 0xff, 0xff, 0xff, 1, 2, 3]))],
    ['more than Envoy takes from a gate', reply(framed(field(9, Buffer.alloc(600_000))))],
    ['no message at all', reply(Buffer.alloc(0))],
    ['an error of gRPC', reply(Buffer.alloc(0), { 'grpc-status': '13', 'grpc-message': 'broken' })],
    ['an allow and then an error', reply(framed(OK), { 'grpc-status': '2' })],
    ['an allow without a status', reply(framed(OK), { 'x-nothing': '1' })],
    [
      'HTTP 200 and a page',
      (stream: Parameters<RogueGate['answer']>[0]) => {
        stream.respond({ ':status': 200, 'content-type': 'text/html' });
        stream.end('<h1>welcome</h1>');
      },
    ],
    [
      'HTTP 500',
      (stream: Parameters<RogueGate['answer']>[0]) => {
        stream.respond({ ':status': 500 }, { endStream: true });
      },
    ],
    [
      'a reset stream',
      (stream: Parameters<RogueGate['answer']>[0]) => stream.close(constants.NGHTTP2_INTERNAL_ERROR),
    ],
    ['a connection cut', (stream: Parameters<RogueGate['answer']>[0]) => stream.session?.destroy()],
    ['nothing, ever', () => {}],
    [
      'a header of an allow that it may not set',
      reply(
        framed(
          Buffer.concat([
            field(3, field(2, field(1, Buffer.concat([field(1, 'cookie'), field(2, 'admin=1')])))),
            metadata({ destination: text('127.0.0.1:1') }),
          ]),
        ),
      ),
    ],
  ])('%s is a 503', async (_name, answer) => {
    const before = rogue.asked();
    rogue.answer = answer;
    expectUnavailable(await get());
    expect(rogue.asked()).toBeGreaterThan(before);
    expect(up.arrivals).toEqual([]);
  });

  it('and is used again once it answers correctly', async () => {
    rogue.answer = reply(framed(allowTo(`127.0.0.1:${up.port}`)));
    await expect.poll(async () => (await get()).status, PATIENCE).toBe(200);
  });
});
