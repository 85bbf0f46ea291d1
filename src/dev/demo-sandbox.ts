import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A server on 127.0.0.1 for the banner's example, which shows the request that a sandbox receives. */
export async function startDemoSandbox(): Promise<{ port: number; close(): void }> {
  const server = createServer((request, response) => {
    const seen = Object.entries(request.headers).map(([name, value]) => `  ${name}: ${value}`);
    response.setHeader('content-type', 'text/plain; charset=utf-8');
    response.end(
      `Hello from the sandbox. What reached me: ${request.method} ${request.url}\n${seen.join('\n')}\n`,
    );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
}
