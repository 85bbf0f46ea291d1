/** When each port of one sandbox was last noted. Most sandboxes have one port in use, and it takes no map. */
export class NotedPorts {
  #port = 0;
  /** Of `#port`, while there is no map. */
  #at = 0;
  /** Oldest first; once there was a second port, all of them. */
  #all: Map<number, number> | undefined;

  get size(): number {
    return this.#all?.size ?? Number(this.#port !== 0);
  }

  notedAt(port: number): number | undefined {
    if (this.#all !== undefined) return this.#all.get(port);
    return this.#port === port ? this.#at : undefined;
  }

  /** Forgets what was noted up to `horizon`; false where `limit` other ports are then still there. */
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
