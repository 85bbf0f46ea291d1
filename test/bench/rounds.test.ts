import { expect, it, vi } from 'vitest';
import { progress } from '../../bench/measure/progress.mjs';
import { rotated } from '../../bench/measure/rotation.mjs';

it('each contender goes first as often as the others', () => {
  const rounds = [0, 1, 2, 3].map((round) => rotated(['a', 'b', 'c'], round).join(''));
  expect(rounds).toEqual(['abc', 'bca', 'cab', 'abc']);
});

it('the progress shows the step, the number of steps and the time left', () => {
  const lines: string[] = [];
  const spy = vi.spyOn(console, 'error').mockImplementation((line) => void lines.push(line));
  let now = 0;
  const steps = progress(10, () => now);
  steps.step('first');
  now = 7000;
  steps.step('second');
  spy.mockRestore();
  expect(lines).toEqual(['[ 1/10] first', '[ 2/10, 1:03 left] second']);
});
