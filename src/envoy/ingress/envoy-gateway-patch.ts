import { authorizationOf, MANAGER_FILTER, managerOf, managerPatch, ROUTES_REMOVE } from './bundled-parts.ts';
import { grpcRefusalsFilter } from './grpc-refusals.ts';

const LISTENER = 'type.googleapis.com/envoy.config.listener.v3.Listener';
const ROUTES = 'type.googleapis.com/envoy.config.route.v3.RouteConfiguration';
/** Namespace, Gateway and listener. */
const NAME = 'sandgate/sandboxes/https';

/** An EnvoyPatchPolicy. JSONPath finds the parts in a listener with TLS and in one without. */
export function envoyGatewayPatch(bundled: string) {
  const manager = managerOf(bundled);
  const inListener = (jsonPath: string, values: object) =>
    Object.entries(values).map(([path, value]) => add(LISTENER, { jsonPath, path, value }));
  // A Check is tried again at another gate than the one that failed; without this, killing a gate loses requests.
  const { retry_host_predicate, host_selection_retry_max_attempts } =
    authorizationOf(manager).grpc_service.retry_policy;
  // On the catch-all route, which has no upgrades of its own, a refused upgrade would be an empty 403.
  const { upgrade_configs } = manager;
  return {
    apiVersion: 'gateway.envoyproxy.io/v1alpha1',
    kind: 'EnvoyPatchPolicy',
    metadata: { name: 'sandboxes', namespace: 'sandgate' },
    spec: {
      targetRef: { group: 'gateway.networking.k8s.io', kind: 'Gateway', name: 'sandboxes' },
      type: 'JSONPatch',
      jsonPatches: [
        ...Object.entries(ROUTES_REMOVE).map(([name, value]) => add(ROUTES, { path: `/${name}`, value })),
        ...inListener('..grpc_service.retry_policy', {
          retry_host_predicate,
          host_selection_retry_max_attempts,
        }),
        ...inListener(`..[?(@.name == '${MANAGER_FILTER}')].typed_config`, {
          upgrade_configs,
          'http_filters/0': grpcRefusalsFilter(manager),
          ...managerPatch(manager),
        }),
      ],
    },
  };
}

const add = (type: string, operation: object) => ({
  type,
  name: NAME,
  operation: { op: 'add', ...operation },
});
