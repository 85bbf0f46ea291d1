import { InvalidArgumentError } from 'commander';

const SECONDS = { s: 1, m: 60, h: 3600, d: 24 * 3600 } as const;

/** Reads `90`, `90s`, `5m`, `2h` or `7d` as seconds, 0 included. */
export function parseDuration(text: string): number {
  const match = /^(\d{1,9})([smhd]?)$/.exec(text);
  if (match === null)
    throw new InvalidArgumentError('It must be seconds, or a number with s, m, h or d, such as 2h.');
  return Number(match[1]) * SECONDS[(match[2] || 's') as keyof typeof SECONDS];
}
