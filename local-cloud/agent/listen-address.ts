/** Where to listen: a Unix socket, or a host and a port (0: any free one). */
export type ListenAddress = { path: string } | { host: string; port: number };

/** `/run/agent.sock`, `./agent.sock`, `127.0.0.1:49983`, `[::1]:0`. Throws an Error that says what is wrong. */
export function parseListenAddress(text: string): ListenAddress {
  if (text.includes('/')) {
    // Node cuts a longer path silently at about 107 bytes and listens elsewhere.
    if (Buffer.byteLength(text) > 100) throw new Error('a socket path must not be longer than 100 bytes');
    return { path: text };
  }
  const match = /^(?:\[([0-9a-f:.]+)\]|([^:[\]]+)):(\d{1,5})$/i.exec(text);
  const host = match?.[1] ?? match?.[2];
  const port = Number(match?.[3]);
  if (host === undefined || port > 65_535) throw new Error('expected /path/to.sock or host:port');
  return { host, port };
}

export function formatListenAddress(at: ListenAddress): string {
  if ('path' in at) return at.path;
  return at.host.includes(':') ? `[${at.host}]:${at.port}` : `${at.host}:${at.port}`;
}
