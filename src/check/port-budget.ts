const WINDOW_MS = 60_000;

/** A use within so many milliseconds of the last one noted is not noted again: a busy port costs two map reads. */
const GRAIN_MS = 1000;

/** Ports remembered in one generation of sandboxes; two generations take 40 MB at the very most. */
const GENERATION = 65_536;

/** When each port of a sandbox was last noted, oldest first. */
type Ports = Map<number, number>;

/**
 * Bounds how many ports of one sandbox are dialled: each is a destination that costs Envoy 16 to 20 kB and a dozen
 * retries, and one client can ask for all 65,535. Sliding: never more than the limit of distinct ones in any 60 s.
 * Memory is bounded by generations rather than by an LRU map, whose oldest entry V8 finds only past all deleted ones.
 */
export class PortBudget {
  readonly #generation: number;
  #current = new Map<string, Ports>();
  #previous = new Map<string, Ports>();
  /** Ports in `#current`. */
  #remembered = 0;

  constructor(generation = GENERATION) {
    this.#generation = generation;
  }

  /** Whether this port may be dialled, `limit` distinct ones being enough; `now` is monotonic, in milliseconds. */
  admits(sandboxId: string, port: number, limit: number, now: number): boolean {
    const notedAt = this.#current.get(sandboxId)?.get(port);
    if (notedAt !== undefined && now - notedAt < GRAIN_MS) return true;
    return this.#note(this.#portsOf(sandboxId), port, limit, now);
  }

  #note(ports: Ports, port: number, limit: number, now: number): boolean {
    // A port in use may have been noted up to a grain before its last use.
    const horizon = now - WINDOW_MS - GRAIN_MS;
    for (const [old, notedAt] of ports) {
      if (notedAt > horizon) break;
      this.#forget(ports, old);
    }
    this.#forget(ports, port);
    if (ports.size >= limit) return false;
    ports.set(port, now);
    this.#remembered++;
    return true;
  }

  #forget(ports: Ports, port: number): void {
    if (ports.delete(port)) this.#remembered--;
  }

  /** Carries a sandbox over into the current generation; one that nobody asks for is forgotten with its own. */
  #portsOf(sandboxId: string): Ports {
    if (this.#remembered >= this.#generation) {
      this.#previous = this.#current;
      this.#current = new Map();
      this.#remembered = 0;
    }
    const known = this.#current.get(sandboxId);
    if (known !== undefined) return known;
    const ports: Ports = this.#previous.get(sandboxId) ?? new Map();
    this.#previous.delete(sandboxId);
    this.#current.set(sandboxId, ports);
    this.#remembered += ports.size;
    return ports;
  }
}
