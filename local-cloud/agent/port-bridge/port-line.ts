/** The first line of a connection to the bridge, and what may answer it before bytes pass through. */
export const OK = 'OK\n';
export const REFUSED = 'REFUSED\n';
export const errorLine = (code: string): string => `ERROR ${code}\n`;

/** `PORT 65535\n` */
export const LONGEST_LINE = 11;

export type PortLine =
  | { kind: 'partial' }
  | { kind: 'malformed' }
  | { kind: 'port'; port: number; rest: Buffer };

/** Reads `PORT <n>\n` off the start of a connection; `rest` is what came behind it. */
export function readPortLine(bytes: Buffer): PortLine {
  const end = bytes.indexOf(0x0a);
  if (end === -1) return { kind: bytes.length < LONGEST_LINE ? 'partial' : 'malformed' };
  const port = Number(/^PORT ([1-9]\d{0,4})$/.exec(bytes.subarray(0, end).toString('latin1'))?.[1]);
  if (!(port <= 65_535)) return { kind: 'malformed' };
  return { kind: 'port', port, rest: bytes.subarray(end + 1) };
}
