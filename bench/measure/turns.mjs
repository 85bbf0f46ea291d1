/**
 * The order of one round: each contender is first as often as the others, since what comes later finds a warmer, or a
 * busier, machine.
 * @template T @param {readonly T[]} contenders @param {number} round
 */
export function inTurn(contenders, round) {
  const first = round % Math.max(1, contenders.length);
  return [...contenders.slice(first), ...contenders.slice(0, first)];
}
