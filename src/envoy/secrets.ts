import { dirname, join } from 'node:path';
import { stringify } from 'yaml';

/** PEM files of a certificate and its key, as Envoy sees them. */
export interface CertificateFiles {
  certificate: string;
  key: string;
}

/** A secret of Envoy's SDS (secret discovery service). Each is in a file of its own: Envoy refuses a file with two. */
export type SecretName = 'ingress' | 'gate-client' | 'gate-ca';

const SECRET = 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret';

/** Where a bootstrap finds the secret, as Envoy's `SdsSecretConfig`. `folder`: as Envoy sees it. */
export function sdsSecret(folder: string, name: SecretName) {
  const path = join(folder, fileOf(name));
  return { name, sds_config: { path_config_source: { path }, resource_api_version: 'V3' } };
}

/** The secrets of a config, by file name. `gateTls`: what Envoy shows to the gates, and their CA. They name files and contain none, so a renewal does not change them. */
export function secretFiles(
  tls: CertificateFiles | undefined,
  gateTls: { ca: string; client?: CertificateFiles | undefined } | undefined,
): Record<string, string> {
  const files: Record<string, string> = {};
  const add = (name: SecretName, secret: object) => {
    files[fileOf(name)] = `${COMMENT}${stringify({ resources: [{ '@type': SECRET, name, ...secret }] })}`;
  };
  if (tls) add('ingress', certificateSecret(tls));
  if (gateTls?.client) add('gate-client', certificateSecret(gateTls.client));
  if (gateTls) add('gate-ca', caSecret(gateTls.ca));
  return files;
}

const COMMENT = `# Envoy reads the files named here again when one of them, or the link that leads to them, is replaced by a rename.
# It does not notice a file that is written in place.
`;

function fileOf(name: SecretName): string {
  return `sds-${name}.yaml`;
}

function certificateSecret({ certificate, key }: CertificateFiles) {
  return {
    tls_certificate: {
      certificate_chain: { filename: certificate },
      private_key: { filename: key },
      // Without it, Envoy watches the folder of each file.
      ...(dirname(certificate) === dirname(key) && watched(certificate)),
    },
  };
}

function caSecret(ca: string) {
  return { validation_context: { trusted_ca: { filename: ca }, ...watched(ca) } };
}

/** The folder, because Kubernetes replaces none of the files but the link `..data` through which all of them are reached. */
function watched(file: string) {
  return { watched_directory: { path: dirname(file) } };
}
