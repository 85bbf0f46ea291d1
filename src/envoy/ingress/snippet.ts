import { readFile } from 'node:fs/promises';
import { stringify } from 'yaml';
import { PACKAGE_ROOT } from '../../package-root.ts';
import { loadBundledConfig } from '../bootstrap.ts';
import { envoyGatewayPatch } from './envoy-gateway-patch.ts';
import { istioPatch } from './istio-patch.ts';

/** Ingresses that route by themselves (`--routing ingress`) and run an Envoy of their own. */
export type Ingress = 'envoy-gateway' | 'istio';

const COMMENTS: Record<Ingress, string> = {
  'envoy-gateway': `# Needs \`extensionApis.enableEnvoyPatchPolicy: true\` in Envoy Gateway's own config. The names of the patched resources are
# <namespace>/<Gateway>/<listener>: repeat the patches for every listener.
`,
  istio: '# The parts of the bundled config that Istio has no field for, for this gateway alone.\n',
};

/**
 * What this ingress must be told, as manifests: the resources of `deploy/`, then a patch of its Envoy for what they cannot
 * express. The patch is made of the same parts as the bundled config.
 */
export async function renderIngressSnippet(ingress: Ingress): Promise<string> {
  const read = (name: string) => readFile(`${PACKAGE_ROOT}deploy/${ingress}/${name}.yaml`, 'utf8');
  const bundled = await loadBundledConfig();
  const patch = ingress === 'istio' ? istioPatch(bundled) : envoyGatewayPatch(bundled);
  const text = stringify(patch, { aliasDuplicateObjects: false, lineWidth: 0 });
  const meshConfig = ingress === 'istio' ? commented(await read('mesh-config')) : '';
  return `${meshConfig}${await read('policies')}---\n${COMMENTS[ingress]}${text}`;
}

/** A part of another file, as a comment, so that the output can be applied as it is. */
function commented(text: string): string {
  return text.replace(/^(?=[^#\n])/gm, '# ');
}
