import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

const TICKS_PER_SECOND = Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }));

/** User and system time that a process has used, in steps of a clock tick. @param {number | undefined} pid */
export function cpuSeconds(pid) {
  return timesOf(pid).reduce((sum, time) => sum + time, 0);
}

/** @param {number} pid */
export function systemSeconds(pid) {
  return timesOf(pid)[1];
}

/** @param {number | undefined} pid @returns {[user: number, system: number]} In seconds. */
function timesOf(pid) {
  if (pid === undefined) return [0, 0];
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return [Number(fields[11]) / TICKS_PER_SECOND, Number(fields[12]) / TICKS_PER_SECOND];
}

/** Memory that a process holds, in MB. @param {number} pid */
export function residentMb(pid) {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Math.round(Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1]) / 1000);
}
