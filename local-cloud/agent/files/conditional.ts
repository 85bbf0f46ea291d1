import { headerOf, type NodeRequest } from '../http/node-messages.ts';

/** Offsets of the first and last byte; `last` is `first - 1` if there are none. */
export interface ByteRange {
  readonly first: number;
  readonly last: number;
}

/** The answer to a request for a file. Without a range there is no body. */
export interface Content {
  readonly status: 200 | 206 | 304 | 412 | 416;
  readonly headers: Readonly<Record<string, string>>;
  readonly range?: ByteRange;
}

const CONDITIONS = ['range', 'if-range', 'if-modified-since', 'if-none-match'] as const;

/** Whether a request is about parts or versions of a file, so that the answer must not be compressed. */
export function isConditional(request: NodeRequest): boolean {
  return CONDITIONS.some((name) => headerOf(request, name));
}

/**
 * What to send of a file of `size` bytes, by the rules of Go's `http.ServeContent`, which E2B's envd uses, with one
 * exception: a request for several ranges gets the whole file, as RFC 9110 §14.2 allows. There are no entity tags, so
 * none matches.
 */
export function contentFor(request: NodeRequest, size: number, modified: Date): Content {
  const header = (name: string) => headerOf(request, name) || undefined;
  // HTTP dates have no fractions of a second.
  const modifiedAt = Math.floor(modified.getTime() / 1000) * 1000;
  const lastModified = { 'last-modified': new Date(modifiedAt).toUTCString() };
  const dateOf = (name: string) => Date.parse(header(name) ?? '');

  const match = header('if-match');
  if (match !== undefined && match.trim() !== '*') return { status: 412, headers: lastModified };
  if (match === undefined && modifiedAt > dateOf('if-unmodified-since')) {
    return { status: 412, headers: lastModified };
  }
  const noneMatch = header('if-none-match');
  if (noneMatch?.trim() === '*' || (noneMatch === undefined && modifiedAt <= dateOf('if-modified-since'))) {
    return { status: 304, headers: lastModified };
  }
  const headers = { ...lastModified, 'accept-ranges': 'bytes' };
  const whole: Content = { status: 200, headers, range: { first: 0, last: size - 1 } };
  const wanted = header('range');
  if (wanted === undefined || (header('if-range') !== undefined && dateOf('if-range') !== modifiedAt))
    return whole;
  const ranges = readRanges(wanted, size);
  if (ranges === undefined)
    return { status: 416, headers: { ...headers, 'content-range': `bytes */${size}` } };
  const [range] = ranges;
  if (range === undefined || ranges.length > 1) return whole;
  const contentRange = `bytes ${range.first}-${range.last}/${size}`;
  return { status: 206, headers: { ...headers, 'content-range': contentRange }, range };
}

/** The ranges that overlap the file; undefined if one is malformed or none overlaps. None is asked for of an empty file. */
function readRanges(header: string, size: number): ByteRange[] | undefined {
  const list = /^bytes=(.*)$/.exec(header)?.[1];
  if (list === undefined) return undefined;
  const ranges: ByteRange[] = [];
  for (const item of list.split(',').map((text) => text.trim())) {
    if (item === '') continue;
    const [, from, to] = /^(\d{0,15})-(\d{0,15})$/.exec(item) ?? [];
    if (from === undefined || to === undefined || (from === '' && to === '')) return undefined;
    const first = from === '' ? Math.max(0, size - Number(to)) : Number(from);
    const last = from === '' || to === '' ? size - 1 : Math.min(Number(to), size - 1);
    if (from !== '' && to !== '' && Number(from) > Number(to)) return undefined;
    if (first < size) ranges.push({ first, last });
  }
  return ranges.length > 0 || size === 0 || list.trim() === '' ? ranges : undefined;
}
