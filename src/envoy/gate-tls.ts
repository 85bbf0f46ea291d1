import { isIP } from 'node:net';

/** How Envoy and the gates know each other; paths of PEM files that Envoy reads. */
export interface GateTls {
  /** Signs the gates' certificates. */
  ca: string;
  /** A host name or IP address that each gate's certificate carries. */
  name: string;
  /** Envoy's own certificate and key, which a gate with a client CA asks for. */
  client?: { certificate: string; key: string } | undefined;
}

/**
 * The transport socket of the cluster `gate`. The name is checked beside the CA: whoever holds any other certificate of
 * that CA could allow everything.
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
