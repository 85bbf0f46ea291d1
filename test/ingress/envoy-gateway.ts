import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { vi } from 'vitest';
import { stringify } from 'yaml';
import { ENVOY_VERSION } from '../../src/envoy/wheel.ts';
import { envoyBinary } from '../envoy-binary.ts';
import { STARTS_WITHIN } from './ingress-fleet.ts';

/** A real Envoy Gateway without Kubernetes, and the Envoy that it starts. */
export interface EnvoyGateway {
  log(): string;
  stop(): Promise<void>;
}

/**
 * Resolves once Envoy Gateway has applied the manifests. It listens on fixed ports (18000, 18002, 19000 and others), so that
 * there can only be one at a time on a machine.
 */
export async function startEnvoyGateway(options: {
  folder: string;
  manifests: Record<string, string>;
}): Promise<EnvoyGateway> {
  const binary = process.env.ENVOY_GATEWAY;
  if (!binary) throw new Error('ENVOY_GATEWAY does not name the program envoy-gateway');
  const inFolder = (...names: string[]) => join(options.folder, ...names);
  for (const name of ['manifests', 'config', 'state', 'run']) mkdirSync(inFolder(name), { recursive: true });
  const versions = inFolder('data', 'envoy-versions', ENVOY_VERSION, 'bin');
  mkdirSync(versions, { recursive: true });
  symlinkSync(envoyBinary(), join(versions, 'envoy'));
  for (const [name, text] of Object.entries(options.manifests))
    writeFileSync(inFolder('manifests', name), text);
  writeFileSync(inFolder('envoy-gateway.yaml'), stringify(configOf(inFolder)));
  const made = spawnSync(binary, ['certgen', '--local', '--config-home', inFolder('config')], {
    encoding: 'utf8',
  });
  if (made.status !== 0) throw new Error(`envoy-gateway certgen failed: ${made.stderr}`);

  const child = spawn(binary, ['server', '--config-path', inFolder('envoy-gateway.yaml')], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let log = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      log += text;
    });
  }
  const gateway = { log: () => log, stop: () => stop(child) };
  try {
    await vi.waitFor(() => {
      if (child.exitCode !== null) throw new Error(`envoy-gateway ended: ${log.slice(-2000)}`);
      const refused = /"error": "(.*)"|message: (.*(?:not found|fail|invalid).*)/i.exec(log);
      if (!log.includes('Patches have been successfully applied')) {
        throw new Error(`no patch was applied: ${refused?.[0] ?? log.slice(-500)}`);
      }
    }, STARTS_WITHIN);
    return gateway;
  } catch (error) {
    await stop(child);
    throw error;
  }
}

/** Its Envoy ends with it on SIGTERM. */
async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGTERM');
  await exited;
}

function configOf(inFolder: (...names: string[]) => string) {
  return {
    apiVersion: 'gateway.envoyproxy.io/v1alpha1',
    kind: 'EnvoyGateway',
    gateway: { controllerName: 'gateway.envoyproxy.io/gatewayclass-controller' },
    provider: {
      type: 'Custom',
      custom: {
        resource: { type: 'File', file: { paths: [inFolder('manifests')] } },
        infrastructure: {
          type: 'Host',
          host: {
            configHome: inFolder('config'),
            dataHome: inFolder('data'),
            stateHome: inFolder('state'),
            runtimeDir: inFolder('run'),
          },
        },
      },
    },
    logging: { level: { default: 'info' } },
    extensionApis: { enableBackend: true, enableEnvoyPatchPolicy: true },
  };
}
