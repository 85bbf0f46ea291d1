/**
 * The order of contenders in one round. Each is first equally often, because a later one finds a warmer or busier
 * machine.
 * @template T @param {readonly T[]} contenders @param {number} round
 */
export function rotated(contenders, round) {
  const first = round % Math.max(1, contenders.length);
  return [...contenders.slice(first), ...contenders.slice(0, first)];
}
