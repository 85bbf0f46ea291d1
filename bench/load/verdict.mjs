import { findings } from '../k6/summary.js';

/**
 * Why a load test failed, one line per reason; empty if it passed. k6 cannot compare two of its figures.
 * @param {import('../k6/summary.js').Summary} summary @param {{ p99Ratio: number }} limits
 */
export function faults(summary, { p99Ratio }) {
  const { broken, failed, wrong, requests, ratio } = findings(summary);
  const lines = broken.map((threshold) => `threshold broken: ${threshold}`);
  if (requests === 0) lines.push('no request was sent');
  if (failed > 0) lines.push(`${failed} requests failed`);
  if (wrong > 0) lines.push(`${wrong} answers were wrong`);
  if (ratio !== undefined && ratio > p99Ratio) {
    lines.push(`p99 is ${ratio.toFixed(1)} times that without a gate; ${p99Ratio} times are allowed`);
  }
  return lines;
}
