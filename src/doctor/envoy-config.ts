import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type BootstrapSettings, renderBootstrap } from '../envoy/bootstrap.ts';
import { loadBundledConfig } from '../envoy/bundled-config.ts';
import { validateBootstrap } from '../envoy/process.ts';
import { type Finding, failedBy, ok } from './finding.ts';

export interface EnvoyConfigOptions {
  binary: string;
  /** Makes or finds certificates, given a folder that is gone afterwards. */
  settings(folder: string): Promise<BootstrapSettings>;
  /** Where that folder is made. */
  temporary: string;
}

/** Whether the real Envoy takes the bundled config with these addresses in it. Nothing is listened on. */
export async function checkEnvoyConfig({
  binary,
  settings,
  temporary,
}: EnvoyConfigOptions): Promise<Finding> {
  const folder = mkdtempSync(join(temporary, 'sandgate-envoy-'));
  try {
    const file = join(folder, 'envoy.yaml');
    writeFileSync(file, renderBootstrap(await loadBundledConfig(), await settings(folder)), { mode: 0o600 });
    validateBootstrap(binary, file);
    return ok('envoy config', 'valid: the real Envoy takes it');
  } catch (error) {
    return failedBy('envoy config', error, 'check the addresses and certificates that it names');
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
