import { connect, type Socket } from 'node:net';

/** A connect that took this long, in milliseconds, gives way to one that waits: it is not refused, so it is hardly answered. */
const RIPE_MS = 20;

/** How many more may wait for a connect. */
const WAITING = 4096;

/** How long a closed port is not tried again, in milliseconds, and how many are remembered. */
const CLOSED_MS = 500;
const CLOSED_REMEMBERED = 4096;

interface Limits {
  /** Connects at a time. */
  readonly atOnce: number;
  /** How long an answer may take, in milliseconds, the time in the queue included. */
  readonly answerMs: number;
}

const LIMITS: Limits = { atOnce: 256, answerMs: 500 };

/**
 * Finds out whether something listens on a port of a sandbox, by connecting and hanging up. Connects to one destination
 * are shared; neither memory nor open sockets grow with the number of requests.
 */
export class PortProbe {
  readonly #limits: Limits;
  /** By endpoint: those that connect, and those that wait. */
  readonly #attempts = new Map<string, Attempt>();
  /** Oldest first. */
  readonly #connecting = new Set<Attempt>();
  /** The newest is next: if more come than can be served, the oldest have the least time left. */
  readonly #waiting: Attempt[] = [];
  /** When each of these endpoints was found closed. */
  #closed = new Map<string, number>();

  constructor(limits: Partial<Limits> = {}) {
    this.#limits = { ...LIMITS, ...limits };
  }

  /**
   * Whether a TCP connect succeeds in time; never rejects. `now` is monotonic, in milliseconds. `mayStart` is asked
   * only if the answer takes a new connect; without it the port counts as closed.
   */
  isOpen(address: string, port: number, now: number, mayStart: () => boolean): boolean | Promise<boolean> {
    const endpoint = `${address} ${port}`;
    const known = this.#attempts.get(endpoint);
    if (known !== undefined) return known.found;
    const closedAt = this.#closed.get(endpoint);
    if (closedAt !== undefined && now - closedAt < CLOSED_MS) return false;
    if (this.#waiting.length >= WAITING || !mayStart()) return false;
    const attempt = new Attempt(address, port, this.#limits.answerMs, (isClosed) => {
      this.#attempts.delete(endpoint);
      if (!this.#connecting.delete(attempt)) this.#waiting.splice(this.#waiting.indexOf(attempt), 1);
      if (isClosed) this.#rememberClosed(endpoint, now);
      this.#startNext();
    });
    this.#attempts.set(endpoint, attempt);
    this.#waiting.push(attempt);
    this.#startNext();
    return attempt.found;
  }

  #startNext(): void {
    if (this.#waiting.length === 0) return;
    if (this.#connecting.size >= this.#limits.atOnce) {
      const [oldest] = this.#connecting;
      // The next one starts when this one has ended.
      if (oldest?.isRipe) oldest.giveUp();
      return;
    }
    const next = this.#waiting.pop()!;
    this.#connecting.add(next);
    next.connect(() => {
      if (this.#waiting.length > 0) next.giveUp();
    });
  }

  #rememberClosed(endpoint: string, now: number): void {
    if (this.#closed.size >= CLOSED_REMEMBERED) this.#closed = new Map();
    this.#closed.set(endpoint, now);
  }
}

class Attempt {
  readonly found: Promise<boolean>;
  isRipe = false;
  #isOver = false;
  #resolve: (isOpen: boolean) => void = () => {};
  #socket: Socket | undefined;
  #ripening: NodeJS.Timeout | undefined;
  readonly #limit: NodeJS.Timeout;
  readonly #address: string;
  readonly #port: number;
  readonly #onEnd: (isClosed: boolean) => void;

  /** `onEnd` is told whether the port is known to be closed. */
  constructor(address: string, port: number, answerMs: number, onEnd: (isClosed: boolean) => void) {
    this.#address = address;
    this.#port = port;
    this.#onEnd = onEnd;
    this.found = new Promise((resolve) => {
      this.#resolve = resolve;
    });
    this.#limit = afterPoll(answerMs, () => this.#end(false, this.#socket !== undefined));
  }

  connect(onRipe: () => void): void {
    const socket = connect({ host: this.#address, port: this.#port });
    this.#socket = socket;
    // Linux may connect a socket to itself if the port is one that it hands out to clients.
    const isSelf = () => socket.localPort === this.#port && socket.localAddress === this.#address;
    socket.once('connect', () => this.#end(!isSelf(), isSelf()));
    socket.once('error', () => this.#end(false, true));
    this.#ripening = afterPoll(RIPE_MS, () => {
      this.isRipe = true;
      if (!this.#isOver) onRipe();
    });
  }

  /** Ends it as if nothing listened. */
  giveUp(): void {
    this.#end(false, false);
  }

  #end(isOpen: boolean, isClosed: boolean): void {
    if (this.#isOver) return;
    this.#isOver = true;
    clearTimeout(this.#limit);
    clearTimeout(this.#ripening);
    this.#socket?.on('error', () => {}).destroy();
    this.#resolve(isOpen);
    this.#onEnd(isClosed);
  }
}

/** Calls back after that time and after the events since then: a gate that was busy has not seen the outcome yet. */
function afterPoll(ms: number, callback: () => void): NodeJS.Timeout {
  return setTimeout(() => setImmediate(callback), ms);
}
