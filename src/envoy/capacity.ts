import { spawnSync } from 'node:child_process';

/** Largest heap of Envoy in the bundled config, in MiB. */
export const DEFAULT_MAX_HEAP_MIB = 1024;

/** Below this, the caches of Envoy's allocator alone would keep the heap near its limit after a flood. */
export const LEAST_MAX_HEAP_MIB = 256;
export const MOST_MAX_HEAP_MIB = 65_536;

const MIB = 1_048_576;

/** What the cheapest connection costs, a silent one without TLS: 7.7 kB were measured. */
const LEAST_CONNECTION_BYTES = 8192;

/** Files that Envoy needs besides connections. */
const OTHER_FILES = 512;

/** How much an Envoy may hold. */
export interface Capacity {
  maxHeapBytes: number;
  /** Clients' connections; beyond that, new ones are closed at once. */
  maxConnections: number;
}

/**
 * The capacity of an Envoy with this heap. Even the cheapest connections use up the heap before the connections, because
 * Envoy closes idle ones when its heap runs short, but not when connections do. `files` is its limit of open files.
 */
export function capacityOf(maxHeapMib: number, files = Number.POSITIVE_INFINITY): Capacity {
  const maxHeapBytes = maxHeapMib * MIB;
  const byHeap = Math.floor(maxHeapBytes / LEAST_CONNECTION_BYTES);
  // A request takes a second connection, to its sandbox.
  const byFiles = Math.max(1, Math.floor((files - OTHER_FILES) / 2));
  return { maxHeapBytes, maxConnections: Math.min(byHeap, byFiles) };
}

/** The limit of open files that a full use of this heap needs. */
export function filesFor(maxHeapMib: number): number {
  return 2 * capacityOf(maxHeapMib).maxConnections + OTHER_FILES;
}

/** The limit of open files for programs that this process starts; Infinity if there is none or it is unknown. */
export function fileLimit(): number {
  const { stdout } = spawnSync('/bin/sh', ['-c', 'ulimit -n'], { encoding: 'utf8' });
  const limit = Number.parseInt(stdout ?? '', 10);
  return Number.isNaN(limit) ? Number.POSITIVE_INFINITY : limit;
}
