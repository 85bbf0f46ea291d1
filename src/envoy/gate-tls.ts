import { isIP } from 'node:net';

/** How Envoy and the gates authenticate each other; paths are PEM files that Envoy reads. */
export interface GateTls {
  /** The CA that signs the gates' certificates. */
  ca: string;
  /** A host name or IP address that each gate's certificate carries. */
  name: string;
  /** Envoy's own certificate and key, required by a gate with a client CA. */
  client?: { certificate: string; key: string } | undefined;
}

/**
 * The transport socket of the cluster `gate`. The name is checked in addition to the CA: the holder of any other
 * certificate from that CA could allow everything.
 */
export function gateTransportSocket({ ca, name, client }: GateTls) {
  const isAddress = isIP(name) !== 0;
  return {
    name: 'envoy.transport_sockets.tls',
    typed_config: {
      '@type': 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext',
      ...(!isAddress && { sni: name }),
      common_tls_context: {
        alpn_protocols: ['h2'],
        tls_params: { tls_minimum_protocol_version: 'TLSv1_2', tls_maximum_protocol_version: 'TLSv1_3' },
        ...(client && {
          tls_certificates: [
            { certificate_chain: { filename: client.certificate }, private_key: { filename: client.key } },
          ],
        }),
        validation_context: {
          trusted_ca: { filename: ca },
          match_typed_subject_alt_names: [
            { san_type: isAddress ? 'IP_ADDRESS' : 'DNS', matcher: { exact: name } },
          ],
        },
      },
    },
  };
}
