import { createHash, randomBytes } from 'node:crypto';
import { relative } from 'node:path';
import { formatAddress } from '../address.ts';
import { PACKAGE_ROOT } from '../package-root.ts';
import { addressFault, parseNetworks } from '../policy/network.ts';
import type { Settings } from '../settings.ts';
import { defaultDomain } from '../target/domains.ts';
import { REQUEST_HEADERS } from '../target/headers.ts';
import type { Stack } from './stack.ts';

/** What `dev` prints when it is ready: where it listens, three commands to copy, and a line that starts with `sandgate ready`. */
export function bannerText(settings: Settings, stack: Stack): string {
  const token = randomBytes(32).toString('hex');
  const urls = [
    ...stack.http.map((at) => `http://${formatAddress(at)}`),
    ...stack.https.map((at) => `https://${formatAddress(at)}`),
  ];
  const curl = curlCommand(settings, stack);
  return `
  ingress   ${urls.join('  ')}
  domains   ${settings.domains.join(', ')}
  state     ${settings.stateDir}
  envoy     ${stack.envoyVersion}, asking ${settings.gates} gate${settings.gates === 1 ? '' : 's'}

A demo server listens on 127.0.0.1:${stack.demoPort}. In another terminal, in ${process.cwd()}:

  put a policy for it
    ${putCommand(settings, token)}
  ask without the token: 403
    ${curl}
  ask with it: 200
    ${curl} -H '${REQUEST_HEADERS.token}: ${token}'
${cloudText(settings, stack)}
sandgate ready ${urls.join(' ')}`;
}

/** How to run E2B's SDKs and the two documented programs. */
function cloudText(settings: Settings, { cloudDomain }: Stack): string {
  if (cloudDomain === undefined) return '';
  return `
E2B's SDKs find a local cloud at https://api.${cloudDomain}. In another shell:

    eval "$(npx sandgate env${stateFlag(settings)})"

  and then any program of E2B's SDK, or the two documented ones
    npm run example:js
    npm run example:py
`;
}

/** ` --state-dir …` for a command to copy; empty if it is the default of the checkout. */
export function stateFlag(settings: Settings): string {
  const isDefault = relative(PACKAGE_ROOT, settings.stateDir) === '.sandgate';
  return isDefault ? '' : ` --state-dir '${settings.stateDir}'`;
}

function putCommand(settings: Settings, token: string): string {
  const record = {
    sandboxId: 'demo',
    runtime: { route: { address: '127.0.0.1' } },
    access: { tokens: [{ id: 'default', sha256: createHash('sha256').update(token).digest('hex') }] },
  };
  if (addressFault('127.0.0.1', parseNetworks(settings.sandboxCidrs)) !== undefined)
    return '(SANDGATE_SANDBOX_CIDRS does not include 127.0.0.1, so put one for your own server: npx sandgate policy put --help)';
  if (settings.store === 'files')
    return `echo '${JSON.stringify(record)}' > '${settings.policyDir}/demo.json'`;
  return `echo '${JSON.stringify(record)}' | npx sandgate policy put${stateFlag(settings)} -`;
}

/** curl resolves `*.localhost` on its own; for every other domain, `--connect-to` points it to the ingress. */
function curlCommand(settings: Settings, stack: Stack): string {
  const plain = stack.http[0];
  const at = plain ?? stack.https[0]!;
  const domain = defaultDomain(settings.domains);
  const isLoopback = ['127.0.0.1', '::1', '0.0.0.0', '::'].includes(at.host);
  const toIngress = domain.endsWith('localhost') && isLoopback ? '' : ` --connect-to ::${formatAddress(at)}`;
  const trust = plain ? '' : ` --cacert '${stack.ca}'`;
  return `curl -i${toIngress}${trust} ${plain ? 'http' : 'https'}://${stack.demoPort}-demo.${domain}:${at.port}/`;
}
