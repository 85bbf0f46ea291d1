/** @param {readonly string[]} head @param {readonly (readonly string[])[]} rows */
export function table(head, rows) {
  return [head, head.map((_, n) => (n === 0 ? '---' : '---:')), ...rows]
    .map((cells) => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`)
    .join('\n');
}

/**
 * Replaces the texts between the markers of a page, `<!-- generated:NAME -->` and `<!-- /generated:NAME -->`.
 * Throws if a marker is missing.
 * @param {string} page @param {Record<string, string>} parts By name.
 */
export function fillIn(page, parts) {
  let filled = page;
  for (const [name, text] of Object.entries(parts)) {
    const [open, close] = [`<!-- generated:${name} -->`, `<!-- /generated:${name} -->`];
    const [from, to] = [filled.indexOf(open), filled.indexOf(close)];
    if (from < 0 || to < from) throw new Error(`the page has no markers for ${name}: ${open} … ${close}`);
    filled = `${filled.slice(0, from + open.length)}\n${text}\n${filled.slice(to)}`;
  }
  return filled;
}

/** Whole from 100 on, else three digits. @param {number} value */
export function figure(value) {
  if (!Number.isFinite(value)) return '-';
  if (Math.abs(value) >= 100) return Math.round(value).toLocaleString('en-US');
  return String(Number(value.toPrecision(3)));
}

/** @param {import('../measure/statistics.mjs').Spread} spread */
export function withSpread({ median, q1, q3 }) {
  return `${figure(median)} (${figure(q1)} to ${figure(q3)})`;
}
