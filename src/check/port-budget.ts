import { clientNetwork } from '../address.ts';

const WINDOW_MS = 60_000;

/** A use this soon after the last one noted, in milliseconds, is not noted again: a busy port costs one map read. */
const GRAIN_MS = 1000;

/** Ports remembered in one generation of sandboxes; two generations take at most 40 MB. */
const GENERATION = 65_536;

/** Distinct ports in any 60 s. `unproven` ones are dialed although the gate does not know whether anything listens. */
export interface PortLimits {
  readonly sandbox: number;
  readonly sandboxUnproven: number;
  /** Of one sandbox, for one client (`clientNetwork`). */
  readonly client: number;
  readonly clientUnproven: number;
}

/** `unproven`: there is a place for this port only if something listens on it. */
export type Admission = 'admitted' | 'refused' | 'unproven';

/** A port of a sandbox that may be dialed. It is kept as long as any client uses it, and then for the rest of 60 s. */
interface Place {
  readonly port: number;
  /** When its last use was noted. */
  usedAt: number;
  /** The client whose request took it. */
  readonly client: string;
  readonly proven: boolean;
}

/**
 * Limits how many distinct ports of one sandbox are dialed in any 60 s: each is a destination that costs Envoy 16 to
 * 20 kB and a dozen retries, and one client can request all 65,535. A port that has a place is open to every client; a
 * new one is charged to the client that asks for it first, so there is nothing to remember about the other clients.
 * Memory is bounded by generations rather than by an LRU map, whose oldest entry V8 finds only after scanning every
 * deleted one.
 */
export class PortBudget {
  readonly #limits: PortLimits;
  readonly #generation: number;
  #current = new Map<string, Places>();
  #previous = new Map<string, Places>();
  /** Places in `#current`. */
  #remembered = 0;

  constructor(limits: PortLimits, generation = GENERATION) {
    this.#limits = limits;
    this.#generation = generation;
  }

  /** Whether this port may be dialed for the client at this address; `now` is monotonic, in milliseconds. */
  admits(sandboxId: string, port: number, address: string, now: number): Admission {
    const place = this.#current.get(sandboxId)?.at(port);
    if (place !== undefined && now - place.usedAt < GRAIN_MS) return 'admitted';
    return this.#take(sandboxId, port, address, false, now);
  }

  /** Gives a place to a port on which something listens, unless the client or the sandbox has no more. */
  admitsProven(sandboxId: string, port: number, address: string, now: number): boolean {
    return this.#take(sandboxId, port, address, true, now) === 'admitted';
  }

  #take(sandboxId: string, port: number, address: string, proven: boolean, now: number): Admission {
    const places = this.#placesOf(sandboxId);
    const before = places.size;
    // A port in use may have been noted up to a grain before its last use.
    places.expire(now - WINDOW_MS - GRAIN_MS);
    const admission = places.renew(port, now)
      ? 'admitted'
      : places.add({ port, usedAt: now, client: clientNetwork(address), proven }, this.#limits);
    this.#remembered += places.size - before;
    return admission;
  }

  /** Moves a sandbox into the current generation; a sandbox without requests is dropped along with its old one. */
  #placesOf(sandboxId: string): Places {
    if (this.#remembered >= this.#generation) {
      this.#previous = this.#current;
      this.#current = new Map();
      this.#remembered = 0;
    }
    const known = this.#current.get(sandboxId);
    if (known !== undefined) return known;
    const places = this.#previous.get(sandboxId) ?? new Places();
    this.#previous.delete(sandboxId);
    this.#current.set(sandboxId, places);
    this.#remembered += places.size;
    return places;
  }
}

/** The places of one sandbox. Most sandboxes use one port, which needs no map. */
class Places {
  #only: Place | undefined;
  /** All places, least recently used first, from the second port on. */
  #all: Map<number, Place> | undefined;

  get size(): number {
    return this.#all?.size ?? Number(this.#only !== undefined);
  }

  at(port: number): Place | undefined {
    if (this.#all !== undefined) return this.#all.get(port);
    return this.#only?.port === port ? this.#only : undefined;
  }

  /** Drops the places last used up to `horizon`. */
  expire(horizon: number): void {
    if (this.#only !== undefined && this.#only.usedAt <= horizon) this.#only = undefined;
    for (const place of this.#all?.values() ?? []) {
      if (place.usedAt > horizon) return;
      this.#all!.delete(place.port);
    }
  }

  /** Notes the use of a port; false if it has no place. */
  renew(port: number, now: number): boolean {
    const place = this.at(port);
    if (place === undefined) return false;
    place.usedAt = now;
    if (this.#all?.delete(port)) this.#all.set(port, place);
    return true;
  }

  add(place: Place, limits: PortLimits): Admission {
    if (this.size >= limits.sandbox) return 'refused';
    const taken = this.#taken(place.client);
    if (taken.client >= limits.client) return 'refused';
    const isFull =
      taken.sandboxUnproven >= limits.sandboxUnproven || taken.clientUnproven >= limits.clientUnproven;
    if (isFull && !place.proven) return 'unproven';
    if (this.size === 0 && this.#all === undefined) {
      this.#only = place;
      return 'admitted';
    }
    if (this.#all === undefined) {
      this.#all = new Map([[this.#only!.port, this.#only!]]);
      this.#only = undefined;
    }
    this.#all.set(place.port, place);
    return 'admitted';
  }

  #taken(client: string): Omit<PortLimits, 'sandbox'> {
    const taken = { sandboxUnproven: 0, client: 0, clientUnproven: 0 };
    for (const place of this.#all?.values() ?? (this.#only === undefined ? [] : [this.#only])) {
      const isClients = place.client === client;
      if (isClients) taken.client++;
      if (place.proven) continue;
      taken.sandboxUnproven++;
      if (isClients) taken.clientUnproven++;
    }
    return taken;
  }
}
