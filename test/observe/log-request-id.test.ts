import { pino } from 'pino';
import { describe, expect, it } from 'vitest';
import { SandgateError } from '../../src/errors.ts';
import { Observation } from '../../src/observe/observation.ts';

const clock = { now: () => 0, monotonic: () => 0 };

describe('the request id of a fault', () => {
  it.each([
    ['a UUID', 'a50e90bf-ff1e-451c-9209-8f2ae48c3d96', 'a50e90bf-ff1e-451c-9209-8f2ae48c3d96'],
    ['a token', 'f'.repeat(64), undefined],
    ['60 KB', 'x'.repeat(60_000), undefined],
    ['a line end', 'a\nb', undefined],
    ['ANSI', '\x1b[2J', undefined],
    ['nothing', '', undefined],
  ])('is logged in the same form as in a decision: %s', (_, sent, logged) => {
    const lines: string[] = [];
    const log = pino({}, { write: (line: string) => void lines.push(line) });
    const observation = new Observation(log, { clock, random: Math.random, logAllows: 0 });
    observation.onFault('INTERNAL', new SandgateError('INTERNAL', 'x'), sent);
    expect(JSON.parse(lines[0]!)).toMatchObject({ msg: 'check_fault', code: 'INTERNAL' });
    expect(JSON.parse(lines[0]!).requestId).toBe(logged);
  });
});
