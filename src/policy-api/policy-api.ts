import type { Endpoint } from '../address.ts';
import { toSandgateError } from '../errors.ts';
import { allowedHosts, createKeyCheck } from './admission.ts';
import { createAdminServer } from './http-server.ts';
import { type AdminListener, listenForAdmin } from './listener.ts';
import type { PolicyAdmin } from './policy-admin.ts';

export interface PolicyApiOptions {
  admin: PolicyAdmin;
  listen: Endpoint;
  /** A socket for where that of `listen` is taken. */
  spare: string | undefined;
  /** Asked for on TCP alone; the file mode of a socket is its key. */
  keys: readonly string[];
  /** Host names to answer for beside those of the address. */
  hosts: readonly string[];
  onFault(error: unknown): void;
}

/** A control plane sends a few; a flood would take the CPU that answers Envoy. */
const MOST_PER_SECOND = 500;

/** The policy API, listening. Throws ADDRESS_IN_USE or STATE_UNUSABLE. */
export async function startPolicyApi(options: PolicyApiOptions): Promise<AdminListener> {
  const { admin, listen, spare, keys, hosts, onFault } = options;
  const onTcp = !('path' in listen);
  // Which names are right is known once the port is.
  let isAllowedHost: (host: string | undefined) => boolean = () => false;
  const app = await createAdminServer({
    admin,
    admission: {
      isAllowedHost: (host) => isAllowedHost(host),
      hasKey: onTcp ? createKeyCheck(keys) : undefined,
    },
    mostPerSecond: onTcp ? MOST_PER_SECOND : undefined,
    onFault,
  });
  const listener = await listenForAdmin(app, listen).catch((error) => {
    if (spare === undefined || toSandgateError(error).code !== 'ADDRESS_IN_USE') throw error;
    return listenForAdmin(app, { path: spare });
  });
  isAllowedHost = allowedHosts(listener.at, hosts);
  return listener;
}
