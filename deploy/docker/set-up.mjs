// The service `set-up` of docker-compose.yml. Before the others start, it creates the stack's CA and certificate (once), the
// node proxy key (once) and Envoy's config. Files for Envoy go to /etc/sandgate; the CA's key stays in a volume of its own.
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { ensureCertificates } from '../../dist/dev/certificates/certificates.js';
import { writeConfigFolder } from '../../dist/envoy/bootstrap.js';
import { replaceFiles, secretFile } from '../../dist/folder.js';

const TO = '/etc/sandgate';

/** What Envoy's config is made from. A test compares its listeners with the gates' SANDGATE_OWN_LISTENERS. */
export function envoySettings(/** @type {string[]} */ domains) {
  const anywhere = (/** @type {number} */ port) => ({ host: '0.0.0.0', port });
  return {
    http: [anywhere(3002)],
    https: [anywhere(8443)],
    tls: { certificate: join(TO, 'server.pem'), key: join(TO, 'server.key') },
    secretsIn: TO,
    gates: [{ path: '/run/sandgate/gate-0.sock' }, { path: '/run/sandgate/gate-1.sock' }],
    admin: { path: '/run/envoy/admin.sock' },
    stats: { host: '127.0.0.1', port: 9901 },
    controlPlane: {
      host: '127.0.0.1',
      port: 3900,
      hosts: domains.map((domain) => `api.${domain.replace(/^\*\./, '')}`),
    },
  };
}

async function setUp() {
  const domains = (process.env.SANDGATE_DOMAINS ?? '').split(',').filter(Boolean);
  const made = await ensureCertificates('/var/lib/sandgate-ca', domains, Date.now, console.log);
  // The folder belongs to Envoy's group, and so do files created in it. Each replaces the old one by a rename, which is what
  // makes a running Envoy read a renewed certificate.
  const forEnvoy = (/** @type {string} */ name, /** @type {string} */ from) => {
    return { path: join(TO, name), text: readFileSync(from, 'utf8'), mode: 0o640 };
  };
  replaceFiles([forEnvoy('server.key', made.key), forEnvoy('server.pem', made.certificate)]);
  await writeConfigFolder(TO, envoySettings(domains), 0o640);
  secretFile('/etc/sandgate-node-proxy/key', /^[0-9a-f]{64}$/, () => randomBytes(32).toString('hex'));
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) await setUp();
