import { randomInt } from 'node:crypto';
import type { PolicyPut } from '../../src/policy/record.ts';
import { type Arrival, type Recorder, startRecorder } from '../stack/recorder.ts';
import { startTestStack, type TestStack } from '../stack/test-stack.ts';
import { DOMAINS, MEMBERS, type Member, recordOf } from './cases.ts';

/** A request as it reached one port of one sandbox. */
export interface FleetArrival extends Arrival {
  at: [sandboxId: string, port: number];
}

/**
 * A stack and the sandboxes of the table, each at its own loopback address, so that the ports can be those of the
 * contract, and a request that reaches the wrong sandbox is seen there.
 */
export interface Fleet {
  stack: TestStack;
  addressOf(sandboxId: string): string;
  recorderOf(sandboxId: string, port: number): Recorder;
  /** Every request that arrived at any sandbox since the last call. */
  takeArrivals(): FleetArrival[];
  stop(): Promise<void>;
}

/** The sandboxes of the table, listening at their addresses. */
export interface Places extends Pick<Fleet, 'addressOf' | 'recorderOf' | 'takeArrivals'> {
  close(): Promise<void>;
}

export async function startFleet(): Promise<Fleet> {
  const undo: (() => Promise<void>)[] = [];
  const stop = async () => {
    for (const step of undo.splice(0).reverse()) await step();
  };
  try {
    const { close, ...places } = await settle();
    undo.push(close);
    const stack = await startTestStack({ domains: DOMAINS });
    undo.push(() => stack.stop());
    await putAll(stack, places.addressOf);
    return { stack, ...places, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function putAll(stack: TestStack, addressOf: Fleet['addressOf']): Promise<void> {
  const recordsOf = (members: readonly Member[]) =>
    members.map((member) => recordOf(member, addressOf(member.sandboxId)));
  const broken = recordsOf(MEMBERS.filter(({ unreadable }) => unreadable));
  // Not through `parsePut`, which refuses it.
  const planted: object[] = broken.map((record) => ({
    ...record,
    runtime: { ...record.runtime, state: 'unheard-of' },
  }));
  await stack.store.write(planted as PolicyPut[]);
  // Last, because `put` also waits for everything written before it.
  await stack.put(...recordsOf(MEMBERS.filter(({ unreadable }) => !unreadable)));
}

const TRIES = 10;

/** Starts recorders on the members' ports, on another block of addresses if a concurrent test run uses this one. */
export async function settle(): Promise<Places> {
  for (let tried = 1; ; tried++) {
    const block = `127.${randomInt(1, 255)}.${randomInt(0, 256)}`;
    const addressOf = (sandboxId: string) =>
      `${block}.${1 + MEMBERS.findIndex((member) => member.sandboxId === sandboxId)}`;
    const places: { at: FleetArrival['at']; recorder: Recorder }[] = [];
    const close = async () => {
      await Promise.all(places.map(({ recorder }) => recorder.close()));
    };
    try {
      for (const { sandboxId, listens = [] } of MEMBERS) {
        for (const port of listens) {
          places.push({ at: [sandboxId, port], recorder: await startRecorder(port, addressOf(sandboxId)) });
        }
      }
      return {
        addressOf,
        recorderOf: (sandboxId, port) =>
          places.find(({ at }) => at[0] === sandboxId && at[1] === port)!.recorder,
        takeArrivals: () =>
          places.flatMap(({ at, recorder }) =>
            recorder.arrivals.splice(0).map((arrival) => ({ ...arrival, at })),
          ),
        close,
      };
    } catch (error) {
      await close();
      if (tried === TRIES) throw error;
    }
  }
}
