import { loadBundledConfig } from '../../src/envoy/bootstrap.ts';

/** Envoy's time limits for its gates in the bundled config, and those for tests. */
const BOUNDS: readonly [what: string, bundled: RegExp, patient: string][] = [
  ['a Check', /(cluster_name: gate,[^\n]*\n\s+timeout:) 1s/, '20s'],
  // Envoy also uses it as the limit of each try.
  ['the pause before another try of a Check', /(base_interval: 0\.025s, max_interval:) 0\.4s/, '20s'],
  ['a connection to a gate', /(lb_policy: LEAST_REQUEST\n\s+connect_timeout:) 0\.25s/, '10s'],
  ['a health check', /(health_checks:\n\s+- timeout:) 0\.5s/, '10s'],
];

/**
 * The bundled config for a busy machine, on which a healthy gate may exceed the bundled limits; the 503 that follows says
 * nothing about the test. Tests of a gate that does not answer need the bundled limits.
 */
export async function loadPatientConfig(): Promise<string> {
  return patient(await loadBundledConfig());
}

/** The same for a config that was already read. */
export function patient(config: string): string {
  let patientConfig = config;
  for (const [what, bundled, limit] of BOUNDS) {
    if (!bundled.test(config)) throw new Error(`the bundled config has another bound for ${what}`);
    patientConfig = patientConfig.replace(bundled, `$1 ${limit}`);
  }
  return patientConfig;
}
