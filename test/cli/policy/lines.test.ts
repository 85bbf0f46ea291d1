import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readLines } from '../../../src/cli/policy/import-source.ts';

async function collect(chunks: readonly Buffer[], longest = 1000) {
  async function* stream() {
    yield* chunks;
  }
  const lines = [];
  for await (const line of readLines(stream(), longest)) lines.push(line);
  return lines;
}

describe('the lines of a stream', () => {
  it('are the same for any division into chunks, and contain every byte', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.string({ unit: fc.constantFrom('a', 'é', '\n', '\r') })),
        async (parts) => {
          const lines = await collect(parts.map((part) => Buffer.from(part)));
          const text = parts.join('');
          expect(Buffer.concat(lines.map(({ bytes }) => bytes)).toString()).toBe(text);
          expect(lines.map(({ bytes }) => bytes.toString())).toEqual(text.match(/[^\n]*\n|[^\n]+$/g) ?? []);
          expect(lines.map(({ number }) => number)).toEqual(lines.map((_, index) => index + 1));
        },
      ),
    );
  });

  it('are bounded, with an error that names the line', async () => {
    await expect(
      collect([Buffer.from('ok\n'), Buffer.alloc(9, 'x'), Buffer.alloc(9, 'x')], 16),
    ).rejects.toMatchObject({
      code: 'INPUT_INVALID',
      message: expect.stringContaining('line 2'),
    });
  });
});
