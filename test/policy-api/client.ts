import { type IncomingHttpHeaders, request } from 'node:http';

/** What the policy API answered. */
export interface Answered {
  status: number;
  headers: IncomingHttpHeaders;
  text: string;
  // biome-ignore lint/suspicious/noExplicitAny: tests look at whatever came.
  body: any;
}

export interface Asked {
  method?: string;
  path?: string;
  headers?: Record<string, string>;
  /** Sent as JSON, declared as such. */
  json?: unknown;
  /** Sent as it is. */
  raw?: string | Buffer;
}

/** One request to `unix:/path` or `host:port`. */
export function askAdmin(at: string, asked: Asked): Promise<Answered> {
  const place = at.startsWith('unix:') ? { socketPath: at.slice(5) } : hostAndPort(at);
  const body = asked.json === undefined ? asked.raw : JSON.stringify(asked.json);
  const headers = {
    ...(asked.json !== undefined && { 'content-type': 'application/json' }),
    ...(body !== undefined && { 'content-length': Buffer.byteLength(body) }),
    ...asked.headers,
  };
  const options = { ...place, method: asked.method ?? 'GET', path: asked.path ?? '/v1/policies', headers };
  return new Promise((resolve, reject) => {
    const sent = request({ ...options, agent: false }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk;
      });
      response.once('error', reject);
      response.once('end', () => {
        const isJson = response.headers['content-type']?.startsWith('application/json') && text !== '';
        const { statusCode: status = 0, headers: received } = response;
        resolve({ status, headers: received, text, body: isJson ? JSON.parse(text) : undefined });
      });
    });
    sent.once('error', reject);
    sent.end(body);
  });
}

function hostAndPort(at: string): { host: string; port: number } {
  const colon = at.lastIndexOf(':');
  return { host: at.slice(0, colon), port: Number(at.slice(colon + 1)) };
}
