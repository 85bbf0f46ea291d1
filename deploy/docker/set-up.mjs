// The service `set-up` of docker-compose.yml. Before the others start, it creates the stack's CA and certificate (once) and
// Envoy's config. Files for Envoy go to /etc/sandgate; the CA's key stays in a volume of its own.
import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ensureCertificates } from '../../dist/dev/certificates/certificates.js';
import { loadBundledConfig, renderBootstrap } from '../../dist/envoy/bootstrap.js';

const TO = '/etc/sandgate';
const domains = (process.env.SANDGATE_DOMAINS ?? '').split(',').filter(Boolean);
const hosts = domains.map((domain) => `api.${domain.replace(/^\*\./, '')}`);

const made = await ensureCertificates('/var/lib/sandgate-ca', domains, Date.now, console.log);
/** The folder belongs to Envoy's group, and so do files created in it. */
const forEnvoy = (/** @type {string} */ name, /** @type {string} */ text) => {
  writeFileSync(join(TO, name), text);
  chmodSync(join(TO, name), 0o640);
};
forEnvoy('server.pem', readFileSync(made.certificate, 'utf8'));
forEnvoy('server.key', readFileSync(made.key, 'utf8'));
const anywhere = (/** @type {number} */ port) => ({ host: '0.0.0.0', port });
const config = renderBootstrap(await loadBundledConfig(), {
  http: [anywhere(3002)],
  https: [anywhere(8443)],
  tls: { certificate: join(TO, 'server.pem'), key: join(TO, 'server.key') },
  gates: [{ path: '/run/sandgate/gate-0.sock' }, { path: '/run/sandgate/gate-1.sock' }],
  admin: { path: '/run/envoy/admin.sock' },
  stats: { host: '127.0.0.1', port: 9901 },
  controlPlane: { host: '127.0.0.1', port: 3900, hosts },
});
forEnvoy('envoy.yaml', config);
