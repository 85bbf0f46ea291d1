const WINDOW_MS = 60_000;

/** A use within so many milliseconds of the last one noted is not noted again: busy ports cost two map reads. */
const GRAIN_MS = 1000;

/** Ports remembered over all sandboxes, about 20 MB; past it the sandbox noted longest ago is forgotten. */
const CAPACITY = 262_144;

/**
 * Bounds how many ports of one sandbox are dialled: each is a destination that costs Envoy 16 to 20 kB and a dozen
 * retries, and one client can ask for all 65,535. Sliding: never more than the limit of distinct ones in any 60 s.
 */
export class PortBudget {
  /** By sandbox, longest unnoted first: when each port was last noted, oldest first. */
  readonly #sandboxes = new Map<string, Map<number, number>>();
  readonly #capacity: number;
  #remembered = 0;

  constructor(capacity = CAPACITY) {
    this.#capacity = capacity;
  }

  /** Whether this port may be dialled, `limit` distinct ones being enough; `now` is monotonic, in milliseconds. */
  admits(sandboxId: string, port: number, limit: number, now: number): boolean {
    const ports = this.#sandboxes.get(sandboxId);
    const notedAt = ports?.get(port);
    if (notedAt !== undefined && now - notedAt < GRAIN_MS) return true;
    return this.#note(sandboxId, ports ?? new Map(), port, limit, now);
  }

  #note(sandboxId: string, ports: Map<number, number>, port: number, limit: number, now: number): boolean {
    // A port in use may have been noted up to a grain before its last use.
    const horizon = now - WINDOW_MS - GRAIN_MS;
    for (const [old, notedAt] of ports) {
      if (notedAt > horizon) break;
      this.#forget(ports, old);
    }
    this.#forget(ports, port);
    const admitted = ports.size < limit;
    if (admitted) {
      ports.set(port, now);
      this.#remembered++;
    }
    this.#sandboxes.delete(sandboxId);
    if (ports.size > 0) this.#sandboxes.set(sandboxId, ports);
    this.#stayWithinCapacity(sandboxId);
    return admitted;
  }

  #forget(ports: Map<number, number>, port: number): void {
    if (ports.delete(port)) this.#remembered--;
  }

  #stayWithinCapacity(newest: string): void {
    for (const [sandboxId, ports] of this.#sandboxes) {
      if (this.#remembered <= this.#capacity || sandboxId === newest) return;
      this.#remembered -= ports.size;
      this.#sandboxes.delete(sandboxId);
    }
  }
}
