import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PACKAGE_ROOT } from '../../src/package-root.ts';
import { type RunningApi, startApi } from './running-api.ts';

let api: RunningApi;
beforeAll(async () => {
  api = await startApi();
});
afterAll(() => api?.stop());

describe('the OpenAPI document', () => {
  it('is the same as in docs/', async () => {
    const { status, body } = await api.ask({ path: '/v1/openapi.json' });
    expect(status).toBe(200);
    const text = `${JSON.stringify(body, null, 2)}\n`;
    await expect(text).toMatchFileSnapshot(join(PACKAGE_ROOT, 'docs', 'openapi.json'));
  });

  it('lists the failures of every operation, and contains everything that it refers to', async () => {
    const { body, text } = await api.ask({ path: '/v1/openapi.json' });
    const operations = Object.values(body.paths).flatMap((path) => Object.values(path as object));
    expect(operations).toHaveLength(13);
    for (const { responses } of operations) {
      expect(Object.keys(responses)).toEqual(
        expect.arrayContaining(['400', '401', '404', '409', '429', '503']),
      );
    }
    for (const [, name] of text.matchAll(/#\/components\/schemas\/(\w+)/g)) {
      expect(Object.keys(body.components.schemas)).toContain(name);
    }
  });
});
