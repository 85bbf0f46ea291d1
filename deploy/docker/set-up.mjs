// The service `set-up` of docker-compose.yml. Before the others start, it creates the stack's CA and certificate (once), the
// node proxy key (once) and Envoy's config. Files for Envoy go to /etc/sandgate; the CA's key stays in a volume of its own.
import { randomBytes } from 'node:crypto';
import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { ensureCertificates } from '../../dist/dev/certificates/certificates.js';
import { loadBundledConfig, renderBootstrap } from '../../dist/envoy/bootstrap.js';
import { secretFile } from '../../dist/folder.js';

const TO = '/etc/sandgate';

/** Envoy's config. A test compares its listeners with the gates' SANDGATE_OWN_LISTENERS. */
export async function envoyConfig(/** @type {string[]} */ domains) {
  const anywhere = (/** @type {number} */ port) => ({ host: '0.0.0.0', port });
  return renderBootstrap(await loadBundledConfig(), {
    http: [anywhere(3002)],
    https: [anywhere(8443)],
    tls: { certificate: join(TO, 'server.pem'), key: join(TO, 'server.key') },
    gates: [{ path: '/run/sandgate/gate-0.sock' }, { path: '/run/sandgate/gate-1.sock' }],
    admin: { path: '/run/envoy/admin.sock' },
    stats: { host: '127.0.0.1', port: 9901 },
    controlPlane: {
      host: '127.0.0.1',
      port: 3900,
      hosts: domains.map((domain) => `api.${domain.replace(/^\*\./, '')}`),
    },
  });
}

async function setUp() {
  const domains = (process.env.SANDGATE_DOMAINS ?? '').split(',').filter(Boolean);
  const made = await ensureCertificates('/var/lib/sandgate-ca', domains, Date.now, console.log);
  /** The folder belongs to Envoy's group, and so do files created in it. */
  const forEnvoy = (/** @type {string} */ name, /** @type {string} */ text) => {
    writeFileSync(join(TO, name), text);
    chmodSync(join(TO, name), 0o640);
  };
  forEnvoy('server.pem', readFileSync(made.certificate, 'utf8'));
  forEnvoy('server.key', readFileSync(made.key, 'utf8'));
  forEnvoy('envoy.yaml', await envoyConfig(domains));
  secretFile('/etc/sandgate-node-proxy/key', /^[0-9a-f]{64}$/, () => randomBytes(32).toString('hex'));
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) await setUp();
