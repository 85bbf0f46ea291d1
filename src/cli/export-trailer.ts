/** The last line of an export: without it the rest may be cut, and nobody would see. */
export interface ExportTrailer {
  sandgateExport: 1;
  /** Records before it. */
  count: number;
  /** SHA-256 in hex over every byte before it. */
  sha256: string;
}

export function trailerLine(count: number, sha256: string): string {
  return `${JSON.stringify({ sandgateExport: 1, count, sha256 } satisfies ExportTrailer)}\n`;
}

/** True also for one that is not whole: it is no policy in any case. */
export function isTrailer(value: unknown): boolean {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, 'sandgateExport');
}

/** Why an export is not whole, as a sentence; undefined when it is. */
export function trailerFault(trailer: unknown, count: number, sha256: string): string | undefined {
  if (trailer === undefined)
    return 'its last line is not the trailer that an export ends with, so it may be cut short';
  const { sandgateExport, count: told, sha256: toldDigest } = trailer as Partial<ExportTrailer>;
  if (sandgateExport !== 1) return 'it was exported in a form that this version does not know';
  if (told !== count) return `it holds ${count} records, its trailer says ${JSON.stringify(told)}`;
  return toldDigest === sha256
    ? undefined
    : 'its SHA-256 is not the one that its trailer says, so it was changed';
}
