import { isIP } from 'node:net';
import { type CertificateFiles, sdsSecret } from './secrets.ts';

/** How Envoy and the gates authenticate each other; paths are PEM files that Envoy reads. */
export interface GateTls {
  /** The CA that signs the gates' certificates. */
  ca: string;
  /** A host name or IP address that each gate's certificate carries. */
  name: string;
  /** Envoy's own certificate and key, required by a gate with a client CA. */
  client?: CertificateFiles | undefined;
}

/**
 * The transport socket of the cluster `gate`. The name is checked in addition to the CA: the holder of any other
 * certificate from that CA could allow everything. `secretsIn`: as in the settings of the bootstrap.
 */
export function gateTransportSocket({ ca, name, client }: GateTls, secretsIn: string | undefined) {
  const isAddress = isIP(name) !== 0;
  const names = {
    match_typed_subject_alt_names: [{ san_type: isAddress ? 'IP_ADDRESS' : 'DNS', matcher: { exact: name } }],
  };
  return {
    name: 'envoy.transport_sockets.tls',
    typed_config: {
      '@type': 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext',
      ...(!isAddress && { sni: name }),
      common_tls_context: {
        alpn_protocols: ['h2'],
        tls_params: { tls_minimum_protocol_version: 'TLSv1_2', tls_maximum_protocol_version: 'TLSv1_3' },
        ...(client && ownCertificate(client, secretsIn)),
        ...(secretsIn === undefined
          ? { validation_context: { trusted_ca: { filename: ca }, ...names } }
          : {
              combined_validation_context: {
                default_validation_context: names,
                validation_context_sds_secret_config: sdsSecret(secretsIn, 'gate-ca'),
              },
            }),
      },
    },
  };
}

function ownCertificate({ certificate, key }: CertificateFiles, secretsIn: string | undefined) {
  return secretsIn === undefined
    ? {
        tls_certificates: [{ certificate_chain: { filename: certificate }, private_key: { filename: key } }],
      }
    : { tls_certificate_sds_secret_configs: [sdsSecret(secretsIn, 'gate-client')] };
}
