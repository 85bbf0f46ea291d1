import { credentials, makeGenericClientConstructor } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { TOKEN } from './policies.mjs';
import { root } from './workspace.mjs';

const AT_ONCE = 64;

/**
 * Sends a gate one check for each of these sandboxes, so that it caches their policies. Throws if one is denied.
 * @param {string} socket @param {number} count @param {(n: number) => string} idOf
 */
export async function warmUp(socket, count, idOf) {
  const files = loadSync('envoy/service/auth/v3/external_auth.proto', {
    includeDirs: [`${root}proto`],
    keepCase: true,
  });
  const service = /** @type {import('@grpc/grpc-js').ServiceDefinition} */ (
    files['envoy.service.auth.v3.Authorization']
  );
  const Client = makeGenericClientConstructor(service, 'Authorization');
  const client = new Client(`unix:${socket}`, credentials.createInsecure());
  let next = 0;
  try {
    await Promise.all(
      Array.from({ length: AT_ONCE }, async () => {
        while (next < count) await ask(idOf(next++));
      }),
    );
  } finally {
    client.close();
  }

  /** @param {string} id @returns {Promise<void>} */
  function ask(id) {
    const headers = [{ key: 'e2b-traffic-access-token', raw_value: Buffer.from(TOKEN) }];
    const http = { method: 'GET', path: '/', host: `8000-${id}.e2b.localhost`, header_map: { headers } };
    return new Promise((resolve, reject) => {
      client.Check?.(
        { attributes: { request: { http } } },
        (/** @type {Error | null} */ error, /** @type {{ status?: { code?: number } }} */ answer) => {
          if (error) reject(error);
          else if (answer.status?.code) reject(new Error(`${id} was denied`));
          else resolve();
        },
      );
    });
  }
}
