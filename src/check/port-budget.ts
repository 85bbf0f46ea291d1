const WINDOW_MS = 60_000;

/** A use this soon after the last one noted, in milliseconds, is not noted again: a busy port costs one map read. */
const GRAIN_MS = 1000;

/** Ports remembered in one generation of sandboxes; two generations take at most 40 MB. */
const GENERATION = 65_536;

/**
 * Limits how many distinct ports of one sandbox are dialed in any 60 s: each is a destination that costs Envoy 16 to
 * 20 kB and a dozen retries, and one client can request all 65,535. Memory is bounded by generations rather than by an
 * LRU map, whose oldest entry V8 finds only after scanning every deleted one.
 */
export class PortBudget {
  readonly #generation: number;
  #current = new Map<string, NotedPorts>();
  #previous = new Map<string, NotedPorts>();
  /** Ports in `#current`. */
  #remembered = 0;

  constructor(generation = GENERATION) {
    this.#generation = generation;
  }

  /** Whether this port may be dialed if `limit` distinct ones are allowed; `now` is monotonic, in milliseconds. */
  admits(sandboxId: string, port: number, limit: number, now: number): boolean {
    const notedAt = this.#current.get(sandboxId)?.notedAt(port);
    if (notedAt !== undefined && now - notedAt < GRAIN_MS) return true;
    const ports = this.#portsOf(sandboxId);
    const before = ports.size;
    // A port in use may have been noted up to a grain before its last use.
    const admitted = ports.note(port, limit, now, now - WINDOW_MS - GRAIN_MS);
    this.#remembered += ports.size - before;
    return admitted;
  }

  /** Moves a sandbox into the current generation; a sandbox without requests is dropped along with its old one. */
  #portsOf(sandboxId: string): NotedPorts {
    if (this.#remembered >= this.#generation) {
      this.#previous = this.#current;
      this.#current = new Map();
      this.#remembered = 0;
    }
    const known = this.#current.get(sandboxId);
    if (known !== undefined) return known;
    const ports = this.#previous.get(sandboxId) ?? new NotedPorts();
    this.#previous.delete(sandboxId);
    this.#current.set(sandboxId, ports);
    this.#remembered += ports.size;
    return ports;
  }
}

/** When each port of one sandbox was last noted. Most sandboxes use one port, which needs no map. */
class NotedPorts {
  #port = 0;
  /** When `#port` was last noted, while there is no map. */
  #at = 0;
  /** All ports, oldest first, from the second port on. */
  #all: Map<number, number> | undefined;

  get size(): number {
    return this.#all?.size ?? Number(this.#port !== 0);
  }

  notedAt(port: number): number | undefined {
    if (this.#all !== undefined) return this.#all.get(port);
    return this.#port === port ? this.#at : undefined;
  }

  /** Drops ports noted up to `horizon`, then notes this one; false if `limit` other ports remain. */
  note(port: number, limit: number, now: number, horizon: number): boolean {
    if (this.#all === undefined && (this.#port === 0 || this.#port === port || this.#at <= horizon)) {
      if (limit < 1) return false;
      this.#port = port;
      this.#at = now;
      return true;
    }
    this.#all ??= new Map([[this.#port, this.#at]]);
    for (const [old, notedAt] of this.#all) {
      if (notedAt > horizon) break;
      this.#all.delete(old);
    }
    this.#all.delete(port);
    if (this.#all.size >= limit) return false;
    this.#all.set(port, now);
    return true;
  }
}
