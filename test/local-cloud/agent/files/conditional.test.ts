import { describe, expect, it } from 'vitest';
import { contentFor, isConditional } from '../../../../local-cloud/agent/files/conditional.ts';
import type { NodeRequest } from '../../../../local-cloud/agent/http/node-messages.ts';

const MODIFIED = new Date('2026-03-04T05:06:07.890Z');
const DATE = 'Wed, 04 Mar 2026 05:06:07 GMT';
const EARLIER = 'Wed, 04 Mar 2026 05:06:06 GMT';
const LATER = 'Wed, 04 Mar 2026 05:06:08 GMT';
const SIZE = 100;

function answer(headers: Record<string, string>, size = SIZE): string {
  const { status, range, headers: sent } = contentFor({ headers } as unknown as NodeRequest, size, MODIFIED);
  const part = range && ` ${range.first}-${range.last}`;
  return `${status}${part ?? ''}${sent['content-range'] ? ` (${sent['content-range']})` : ''}`;
}

describe('a range of a file of 100 bytes', () => {
  it.each([
    ['bytes=0-9', '206 0-9 (bytes 0-9/100)'],
    ['bytes=90-', '206 90-99 (bytes 90-99/100)'],
    ['bytes=-10', '206 90-99 (bytes 90-99/100)'],
    ['bytes=-1000', '206 0-99 (bytes 0-99/100)'],
    ['bytes=50-1000', '206 50-99 (bytes 50-99/100)'],
    ['bytes=99-99', '206 99-99 (bytes 99-99/100)'],
    ['bytes= 1-2 ', '206 1-2 (bytes 1-2/100)'],
    ['bytes=100-', '416 (bytes */100)'],
    ['bytes=-0', '416 (bytes */100)'],
    ['bytes=9-1', '416 (bytes */100)'],
    ['bytes=-', '416 (bytes */100)'],
    ['bytes=a-b', '416 (bytes */100)'],
    ['bytes=1-2-3', '416 (bytes */100)'],
    ['bytes=99999999999999999999-', '416 (bytes */100)'],
    ['lines=1-2', '416 (bytes */100)'],
    ['bytes=', '200 0-99'],
    ['bytes=0-1,5-6', '200 0-99'],
    ['bytes=0-1,100-', '206 0-1 (bytes 0-1/100)'],
  ])('for %s is %s', (range, expected) => {
    expect(answer({ range })).toBe(expected);
  });

  it('is nothing of an empty file', () => {
    expect(answer({ range: 'bytes=0-9' }, 0)).toBe('200 0--1');
  });
});

describe('a conditional request', () => {
  it.each<[headers: Record<string, string>, expected: string]>([
    [{}, '200 0-99'],
    [{ 'if-modified-since': DATE }, '304'],
    [{ 'if-modified-since': LATER }, '304'],
    [{ 'if-modified-since': EARLIER }, '200 0-99'],
    [{ 'if-modified-since': 'yesterday' }, '200 0-99'],
    [{ 'if-none-match': '*' }, '304'],
    [{ 'if-none-match': '"a"', 'if-modified-since': DATE }, '200 0-99'],
    [{ 'if-match': '"a"' }, '412'],
    [{ 'if-match': '*' }, '200 0-99'],
    [{ 'if-unmodified-since': DATE }, '200 0-99'],
    [{ 'if-unmodified-since': EARLIER }, '412'],
    [{ range: 'bytes=1-2', 'if-range': DATE }, '206 1-2 (bytes 1-2/100)'],
    [{ range: 'bytes=1-2', 'if-range': EARLIER }, '200 0-99'],
    [{ range: 'bytes=1-2', 'if-range': LATER }, '200 0-99'],
    [{ range: 'bytes=1-2', 'if-range': '"a"' }, '200 0-99'],
    [{ range: 'bytes=1-2', 'if-modified-since': DATE }, '304'],
  ])('%j is %s', (headers, expected) => {
    expect(answer(headers)).toBe(expected);
  });

  it('is one about a part or a version of the file', () => {
    const isOne = (headers: Record<string, string>) => isConditional({ headers } as unknown as NodeRequest);
    expect(isOne({ range: 'bytes=0-1' })).toBe(true);
    expect(isOne({ 'if-modified-since': DATE })).toBe(true);
    expect(isOne({ 'accept-encoding': 'gzip' })).toBe(false);
  });
});
