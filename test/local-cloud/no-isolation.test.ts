import { expect, it } from 'vitest';
import { startLocalStack } from './local-stack.ts';

it('the stack also runs sandboxes without isolation', { timeout: 120_000 }, async () => {
  const stack = await startLocalStack(['--isolation', 'off']);
  try {
    expect(stack.output()).toMatch(/sandboxes are NOT isolated/);
    const { status, json, text } = await stack.api('POST', '/v2/sandboxes', { templateID: 'base' });
    expect(status, text).toBe(201);
    expect((await stack.ask(`49983-${json.sandboxID}.e2b.localhost`, '/health')).status).toBe(204);
  } finally {
    expect(await stack.stop()).toBe(0);
  }
});
