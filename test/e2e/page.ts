import { createHash } from 'node:crypto';
import { expect } from 'vitest';
import type { Answered } from '../stack/client.ts';

/** Headers with which a browser opens a page. */
export const BROWSER = {
  'user-agent': 'Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0',
  accept: 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8',
  'sec-fetch-mode': 'navigate',
};

/** docs/contract.md §3: the rules for every page, and the CSP that allows its only style block. `names`: the sandbox, or the path. */
export function expectPage({ headers, body }: Answered, title: string, names: string): void {
  expect(body).toMatch(/^<!DOCTYPE html><html[\s\S]*<\/html>$/);
  expect(body).toContain(`<title>${title}</title>`);
  expect(body).toContain(names);
  expect(body).not.toMatch(/<(script|img|link|iframe)|src=|href=|url\(|@import|https?:/i);
  const parts = body.split(/<style>([\s\S]*?)<\/style>/);
  expect(parts).toHaveLength(3);
  const digest = createHash('sha256').update(parts[1]!).digest('base64');
  expect(headers['content-security-policy']).toBe(
    `default-src 'none'; style-src 'sha256-${digest}'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'`,
  );
}
