import { loadBundledConfig } from '../../src/envoy/bootstrap.ts';

/** How Envoy's bounds on its gates are written in the bundled config, and what stands there for a test. */
const BOUNDS: readonly [what: string, bundled: RegExp, patient: string][] = [
  ['a Check', /(cluster_name: gate,[^\n]*\n\s+timeout:) 1s/, '20s'],
  // Envoy makes it the bound of each try as well.
  ['the pause before another try of a Check', /(base_interval: 0\.025s, max_interval:) 0\.4s/, '20s'],
  ['a connection to a gate', /(lb_policy: LEAST_REQUEST\n\s+connect_timeout:) 0\.25s/, '10s'],
  ['a health check', /(health_checks:\n\s+- timeout:) 0\.5s/, '10s'],
];

/**
 * The bundled config for a machine that has no time left: there a gate in good health takes longer than the bundled bounds
 * allow, and the 503 that follows says nothing about what a test asked. Tests of a gate that does not answer need the
 * bounds as they are.
 */
export async function loadPatientConfig(): Promise<string> {
  let config = await loadBundledConfig();
  for (const [what, bundled, patient] of BOUNDS) {
    if (!bundled.test(config)) throw new Error(`the bundled config has another bound for ${what}`);
    config = config.replace(bundled, `$1 ${patient}`);
  }
  return config;
}
