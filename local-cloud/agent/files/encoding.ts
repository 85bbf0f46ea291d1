import { Code, ConnectError } from '@connectrpc/connect';

export type Encoding = 'gzip' | 'identity';

/** The encoding of a response, chosen by `Accept-Encoding`. Throws if neither gzip nor identity is acceptable. */
export function acceptedEncoding(header: string | undefined): Encoding {
  const wanted = new Map<string, number>();
  for (const item of (header ?? '').toLowerCase().split(',')) {
    const [name = '', ...parameters] = item.split(';').map((part) => part.trim());
    const q = parameters.find((parameter) => parameter.startsWith('q='))?.slice(2);
    if (name !== '') wanted.set(name, q === undefined ? 1 : Number(q) || 0);
  }
  const gzip = wanted.get('gzip') ?? 0;
  const identity = wanted.get('identity');
  if (gzip > 0 && gzip >= (identity ?? 0)) return 'gzip';
  if ((identity ?? wanted.get('*') ?? 1) > 0) return 'identity';
  throw new ConnectError(
    'error parsing Accept-Encoding: no acceptable encoding found, supported: [gzip]',
    Code.FailedPrecondition,
  );
}

/** The encoding of a request's body. Throws for anything but gzip and identity. */
export function contentEncoding(header: string | undefined): Encoding {
  const name = (header ?? 'identity').toLowerCase().split(';')[0]!.trim();
  if (name === 'gzip' || name === 'identity') return name;
  throw new ConnectError(
    `error decompressing request body: unsupported Content-Encoding: ${name}, supported: [gzip]`,
    Code.InvalidArgument,
  );
}
