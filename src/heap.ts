import { setFlagsFromString } from 'node:v8';

/**
 * For the command line of a gate, because Node reads it only at start. When many policies load at once, V8 grows its young
 * generation to twice 16 MB and never shrinks it; a gate needs less, because a check leaves little for the next.
 */
export const GATE_NODE_FLAGS = ['--max-semi-space-size=8'] as const;

/**
 * By default, V8 lets a heap grow to up to four times what a full collection left. A gate's policies live long and its
 * garbage dies young, so a third more is enough, and saves 80 MB with 100,000 policies.
 */
export function keepHeapSmall(): void {
  setFlagsFromString('--heap-growing-percent=30');
}
