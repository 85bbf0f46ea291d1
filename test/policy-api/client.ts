import { type IncomingHttpHeaders, request } from 'node:http';

/** An answer of the policy API. */
export interface Answered {
  status: number;
  headers: IncomingHttpHeaders;
  text: string;
  // biome-ignore lint/suspicious/noExplicitAny: tests read any body.
  body: any;
}

export interface ApiRequest {
  method?: string;
  path?: string;
  headers?: Record<string, string>;
  /** Sent as JSON, with its content type. */
  json?: unknown;
  /** Sent unchanged. */
  raw?: string | Buffer;
}

/** One request to `unix:/path` or `host:port`. */
export function askAdmin(at: string, given: ApiRequest): Promise<Answered> {
  const place = at.startsWith('unix:') ? { socketPath: at.slice(5) } : hostAndPort(at);
  const body = given.json === undefined ? given.raw : JSON.stringify(given.json);
  const headers = {
    ...(given.json !== undefined && { 'content-type': 'application/json' }),
    ...(body !== undefined && { 'content-length': Buffer.byteLength(body) }),
    ...given.headers,
  };
  const options = { ...place, method: given.method ?? 'GET', path: given.path ?? '/v1/policies', headers };
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
