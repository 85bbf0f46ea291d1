import { expect, test } from 'vitest';
import { wantsHtml } from '../../src/decision/negotiate.ts';

const none = { accept: '', userAgent: '', secFetchMode: '', requestedWith: '' };
const browser = { ...none, userAgent: 'Mozilla/5.0' };

test.each<[behaviour: string, request: typeof none, html: boolean]>([
  ['a browser gets a page', browser, true],
  ['… whatever the case of its name', { ...none, userAgent: 'SAFARI' }, true],
  ['an SDK does not', { ...none, userAgent: 'python-httpx/0.27', accept: 'text/html' }, false],
  ['a client without these headers does not', none, false],
  ['a browser that asks for JSON does not', { ...browser, accept: 'application/json' }, false],
  ['… unless it accepts HTML too', { ...browser, accept: 'text/html, application/json' }, true],
  ['… in upper or lower case', { ...browser, accept: 'Application/JSON' }, false],
  ['fetch with cors does not', { ...browser, secFetchMode: 'cors' }, false],
  ['fetch with no-cors does not', { ...browser, secFetchMode: 'no-cors' }, false],
  ['fetch with same-origin does not', { ...browser, secFetchMode: 'same-origin' }, false],
  ['a WebSocket does not', { ...browser, secFetchMode: 'websocket' }, false],
  ['a navigation does', { ...browser, secFetchMode: 'navigate' }, true],
  [
    '… even with X-Requested-With',
    { ...browser, secFetchMode: 'navigate', requestedWith: 'XMLHttpRequest' },
    true,
  ],
  ['an XHR does not', { ...browser, requestedWith: 'XMLHttpRequest' }, false],
  ['… nor under an unknown mode', { ...browser, secFetchMode: 'nested-navigate', requestedWith: 'x' }, false],
])('%s', (_behaviour, request, html) => {
  expect(wantsHtml(request)).toBe(html);
});
