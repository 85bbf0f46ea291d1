import type { Endpoint } from '../address.ts';
import { toSandgateError } from '../errors.ts';
import { allowedHosts, createKeyCheck } from './admission.ts';
import { createApiServer } from './http-server.ts';
import { type ApiListener, listenForApi } from './listener.ts';
import type { PolicyAdmin } from './policy-admin.ts';

export interface PolicyApiOptions {
  admin: PolicyAdmin;
  listen: Endpoint;
  /** The socket to use if that of `listen` is taken. */
  spare: string | undefined;
  /** Required only on TCP; a Unix socket is protected by its file mode. */
  keys: readonly string[];
  /** Host names to answer for, in addition to those of the address. */
  hosts: readonly string[];
  onFault(error: unknown): void;
}

/** A control plane sends a few requests per second; a flood would take CPU time from Envoy's checks. */
const MAX_PER_SECOND = 500;

/** Starts the policy API. Throws ADDRESS_IN_USE or STATE_UNUSABLE. */
export async function startPolicyApi(options: PolicyApiOptions): Promise<ApiListener> {
  const { admin, listen, spare, keys, hosts, onFault } = options;
  const onTcp = !('path' in listen);
  // The allowed names depend on the port, which is known only once it listens.
  let isAllowedHost: (host: string | undefined) => boolean = () => false;
  const app = await createApiServer({
    admin,
    admission: {
      isAllowedHost: (host) => isAllowedHost(host),
      hasKey: onTcp ? createKeyCheck(keys) : undefined,
    },
    maxPerSecond: onTcp ? MAX_PER_SECOND : undefined,
    onFault,
  });
  const listener = await listenForApi(app, listen).catch((error) => {
    if (spare === undefined || toSandgateError(error).code !== 'ADDRESS_IN_USE') throw error;
    return listenForApi(app, { path: spare });
  });
  isAllowedHost = allowedHosts(listener.at, hosts);
  return listener;
}
