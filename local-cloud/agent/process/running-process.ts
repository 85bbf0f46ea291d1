import type { ProcessConfig } from '../gen/process/process_pb.ts';
import type { Child, ChildEvents, Exit, Output } from './child.ts';
import { type EndEvent, endEvent } from './exit-event.ts';
import { Subscription } from './subscription.ts';

/** Bytes waiting for the slowest client at which the process is held, and at which it continues. */
const HIGH_BYTES = 1 << 20;
const LOW_BYTES = 1 << 18;

/** A process and its subscribers. Output without a subscriber is dropped, as in E2B. */
export class RunningProcess implements ChildEvents {
  readonly config: ProcessConfig;
  readonly tag: string | undefined;
  readonly #subscriptions = new Set<Subscription>();
  readonly #onEnd: (process: RunningProcess, end: EndEvent) => void;
  #child: Child | undefined;
  #held = false;
  #deadline: NodeJS.Timeout | undefined;
  #end: EndEvent | undefined;
  #settle: () => void = () => {};
  /** Resolves once the process has ended and is no longer in the table. */
  readonly ended = new Promise<void>((resolve) => {
    this.#settle = resolve;
  });

  constructor(
    config: ProcessConfig,
    tag: string | undefined,
    onEnd: (process: RunningProcess, end: EndEvent) => void,
  ) {
    this.config = config;
    this.tag = tag;
    this.#onEnd = onEnd;
  }

  /** Call right after the start. The process is killed after `timeoutMs`; 0: never. */
  adopt(child: Child, timeoutMs: number): void {
    this.#child = child;
    if (timeoutMs > 0) this.#deadline = setTimeout(() => child.signal('SIGKILL'), timeoutMs);
  }

  get child(): Child {
    if (this.#child === undefined) throw new Error('the process has not started');
    return this.#child;
  }

  subscribe(): Subscription {
    const subscription = new Subscription(() => this.#relax());
    if (this.#end !== undefined) subscription.finish();
    else this.#subscriptions.add(subscription);
    return subscription;
  }

  unsubscribe(subscription: Subscription): void {
    this.#subscriptions.delete(subscription);
    this.#relax();
  }

  output({ kind, data }: Output): void {
    for (const subscription of this.#subscriptions) {
      subscription.push(
        { event: { case: 'data', value: { output: { case: kind, value: data } } } },
        data.length,
      );
    }
    if (!this.#held && this.#waiting() > HIGH_BYTES) {
      this.#held = true;
      this.child.hold(true);
    }
  }

  exit(exit: Exit): void {
    clearTimeout(this.#deadline);
    this.#end = endEvent(exit);
    for (const subscription of this.#subscriptions) {
      subscription.push({ event: { case: 'end', value: this.#end } }, 0);
      subscription.finish();
    }
    this.#onEnd(this, this.#end);
    this.#settle();
  }

  #waiting(): number {
    let most = 0;
    for (const { waiting } of this.#subscriptions) most = Math.max(most, waiting);
    return most;
  }

  #relax(): void {
    if (!this.#held || this.#waiting() > LOW_BYTES) return;
    this.#held = false;
    this.#child?.hold(false);
  }
}
