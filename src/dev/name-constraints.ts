/** Object identifier of the X.509 extension (RFC 5280 §4.2.1.10). */
export const NAME_CONSTRAINTS = '2.5.29.30';

const LOOPBACK_NETWORKS = [
  [127, 0, 0, 0, 255, 0, 0, 0],
  [...new Array(15).fill(0), 1, ...new Array(16).fill(255)],
];

/** DER of a NameConstraints that permits these domains with all under them, and loopback addresses; nothing else. */
export function nameConstraints(domains: readonly string[]): Uint8Array<ArrayBuffer> {
  const ip = LOOPBACK_NETWORKS.map((network) => der(0x30, der(0x87, Buffer.from(network))));
  return new Uint8Array(der(0x30, der(0xa0, Buffer.concat([...domains.map(dnsSubtree), ...ip]))));
}

/** Whether such an extension permits the domain: it, or a domain that it lies under, is among its subtrees. */
export function permits(constraints: Uint8Array, domain: string): boolean {
  const labels = domain.split('.');
  return labels.some((_, index) =>
    Buffer.from(constraints).includes(dnsSubtree(labels.slice(index).join('.'))),
  );
}

function dnsSubtree(domain: string): Buffer {
  return der(0x30, der(0x82, Buffer.from(domain, 'latin1')));
}

function der(tag: number, content: Buffer): Buffer {
  const { length } = content;
  const size =
    length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...size]), content]);
}
