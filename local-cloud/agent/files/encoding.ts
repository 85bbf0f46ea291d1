import { Code, ConnectError } from '@connectrpc/connect';

export type Encoding = 'gzip' | 'identity';

/** The encoding of a response, chosen by `Accept-Encoding`. Throws if neither gzip nor identity is acceptable. */
export function acceptedEncoding(header: string | undefined): Encoding {
  const wanted = qualities(header);
  const gzip = wanted.get('gzip') ?? 0;
  if (gzip > 0 && gzip >= (wanted.get('identity') ?? 0)) return 'gzip';
  if (acceptsIdentity(wanted)) return 'identity';
  throw new ConnectError(
    'error parsing Accept-Encoding: no acceptable encoding found, supported: [gzip]',
    Code.FailedPrecondition,
  );
}

/** For an answer that must not be compressed. Throws if `Accept-Encoding` excludes identity. */
export function requireIdentity(header: string | undefined): Encoding {
  if (acceptsIdentity(qualities(header))) return 'identity';
  throw new ConnectError(
    'identity encoding not acceptable for Range or conditional request',
    Code.FailedPrecondition,
  );
}

/** The quality of each encoding that the header names. */
function qualities(header: string | undefined): ReadonlyMap<string, number> {
  const wanted = new Map<string, number>();
  for (const item of (header ?? '').toLowerCase().split(',')) {
    const [name = '', ...parameters] = item.split(';').map((part) => part.trim());
    const q = parameters.find((parameter) => parameter.startsWith('q='))?.slice(2);
    if (name !== '') wanted.set(name, q === undefined ? 1 : Number(q) || 0);
  }
  return wanted;
}

function acceptsIdentity(wanted: ReadonlyMap<string, number>): boolean {
  return (wanted.get('identity') ?? wanted.get('*') ?? 1) > 0;
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
