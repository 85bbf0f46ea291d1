import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Answered } from '../../stack/client.ts';
import { hostOf } from '../../stack/test-stack.ts';
import { askOnce, get } from '../raw-http1.ts';
import { BROWSER, expectRefusalHeaders, openRefusals, REFUSALS, type Refusals } from './every-refusal.ts';

let refusals: Refusals;
beforeAll(async () => {
  refusals = await openRefusals();
});
afterAll(() => refusals?.scene.close());

const NAME = 'e2b-traffic-access-token';

describe('F1: a page', () => {
  let pages: Answered[][];
  beforeAll(async () => {
    pages = await refusals.answersAs(BROWSER);
  });

  const rows = REFUSALS.map(({ what, status }, index) => ({ what, status, index }));
  it.each(rows)(
    'for $what can load, run, frame and post nothing, and is kept nowhere',
    ({ status, index }) => {
      for (const answer of pages[index]!) {
        expect(answer.status).toBe(status);
        expectRefusalHeaders(answer);
        expect(answer.headers['content-type']).toBe('text/html; charset=utf-8');
        expect(answer.headers['x-content-type-options']).toBe('nosniff');
        const [, style] = /<style>([\s\S]*?)<\/style>/.exec(answer.body) ?? [];
        const hash = createHash('sha256').update(style!).digest('base64');
        expect(answer.headers['content-security-policy']).toBe(
          `default-src 'none'; style-src 'sha256-${hash}'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'`,
        );
        expect(answer.body).toMatch(/^<!DOCTYPE html><html[\s\S]*<\/html>$/);
        expect(answer.body).not.toMatch(
          /<script|<link|<img|<meta http-equiv|https?:|url\(|@import|\son\w+=|%DYNAMIC/i,
        );
      }
    },
  );

  const hostile = [
    '"><script>alert(1)</script>',
    "'><img src=x onerror=alert(1)>",
    '<svg/onload=alert(1)>',
    '%3Cscript%3E',
    '&lt;script&gt;',
  ];
  it.each(hostile)('never contains %s unescaped, from host, id, port, path or header', async (text) => {
    const lines = Object.entries(BROWSER).map(([name, value]) => `${name}: ${value}`);
    const agent = hostOf(49983, 'locked');
    const locked = hostOf(80, 'locked');
    const requests = [
      get(text, lines),
      get(`8080-${text}.e2b.localhost`, lines),
      get(`${text}-locked.e2b.localhost`, lines),
      get(`8080-locked.${text}`, lines),
      get('localhost', [...lines, `E2b-Sandbox-Id: ${text}`, 'E2b-Sandbox-Port: 1']),
      get('localhost', [...lines, 'E2b-Sandbox-Id: locked', `E2b-Sandbox-Port: ${text}`]),
      get(agent, lines, `/init;${text.replaceAll(' ', '%20')}`),
      get(agent, [], `/init;${text.replaceAll(' ', '%20')}`),
      get(agent, [], `/init;${encodeURIComponent(text)}`),
      get(locked, [...lines, `${NAME}: ${text}`]),
      get(locked, [...lines, `X-Request-Id: ${text}`]),
    ];
    refusals.scene.forget();
    for (const bytes of requests) {
      const answer = await askOnce(refusals.scene.stack.http, bytes);
      expect(answer).toMatch(/^HTTP\/1\.1 (400|403|404) /);
      expect(answer).not.toMatch(/<script>alert|<img|<svg/);
    }
    expect(refusals.scene.arrived()).toBe(0);
  });
});
