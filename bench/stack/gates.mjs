import { spawn } from 'node:child_process';
import { existsSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { GATE_NODE_FLAGS } from '../../dist/heap.js';
import { pin } from './pinning.mjs';
import { writePolicies } from './policies.mjs';
import { root } from './workspace.mjs';

/** @typedef {{ pid: number, kill(): Promise<void>, exited: Promise<unknown>, readyMs: number }} GateProcess */

export const SERVE = [...GATE_NODE_FLAGS, join(root, 'bin', 'sandgate.js'), 'serve'];
/**
 * Another checkout's gate, as it would start there; `adminFlag` disables its policy API, under the name the flag has there.
 * @param {string} checkout Built.
 * @returns {Promise<{ program: string[], adminFlag: string }>}
 */
export async function gateOf(checkout) {
  const compiled = (/** @type {string} */ name) => join(checkout, 'dist', name);
  if (!existsSync(compiled('settings.js'))) {
    throw new Error(`${checkout} is not a checkout that was built\nfix: run \`npm run build\` there`);
  }
  const { GATE_NODE_FLAGS: nodeFlags } = await import(compiled('heap.js'));
  const older = readFileSync(compiled('settings.js'), 'utf8').includes("flag: '--admin <");
  return {
    program: [...nodeFlags, join(checkout, 'bin', 'sandgate.js'), 'serve'],
    adminFlag: older ? '--admin=off' : '--policy-api=off',
  };
}

export const UNOBSERVED = [join(root, 'bench', 'stack', 'unobserved-gate.mjs')];

/**
 * A program that prints `sandgate ready` once it answers; its stderr goes to `<socket>.log`.
 * @param {readonly string[]} program Arguments of node.
 * @param {string} log
 * @param {number | undefined} core
 * @returns {Promise<GateProcess>}
 */
export async function startProgram(program, log, core) {
  const started = performance.now();
  const child = spawn(process.execPath, program, { stdio: ['ignore', 'pipe', openSync(log, 'a')] });
  const exited = new Promise((resolve) => child.once('exit', resolve));
  const kill = async () => {
    child.kill('SIGKILL');
    await exited;
  };
  for await (const line of createInterface({
    input: /** @type {import('node:stream').Readable} */ (child.stdout),
  })) {
    if (!line.startsWith('sandgate ready')) continue;
    const pid = child.pid ?? 0;
    pin(pid, core);
    return { pid, kill, exited, readyMs: performance.now() - started };
  }
  throw new Error(`the program did not start: ${program.join(' ')}\n${readFileSync(log, 'utf8')}`);
}

/** @param {string} stateDir @param {string} socket @param {readonly string[]} more @param {number} drainSeconds */
export function gateFlags(stateDir, socket, more = ['--policy-api=off'], drainSeconds = 0) {
  const networks = '--sandbox-cidrs=127.0.0.0/8';
  return [
    `--state-dir=${stateDir}`,
    `--listen=unix:${socket}`,
    '--ops=127.0.0.1:0',
    networks,
    `--drain=${drainSeconds}`,
    ...more,
  ];
}

/**
 * One gate over the embedded store, with `sandboxes[prefix]` policies of each prefix; it ends with the workspace.
 * @param {import('./workspace.mjs').Workspace} workspace
 * @param {{ core?: number, sandboxes?: Partial<Record<'s' | 'd', number>> }} options
 */
export async function startOneGate({ dir, undo }, { core, sandboxes = { s: 1 } } = {}) {
  const stateDir = join(dir, 'state');
  const socket = join(dir, 'check', 'gate.sock');
  for (const [prefix, count] of Object.entries(sandboxes)) await writePolicies(stateDir, prefix, count);
  const gate = await startProgram([...SERVE, ...gateFlags(stateDir, socket)], join(dir, 'gate.log'), core);
  undo(gate.kill);
  return { pid: gate.pid, socket };
}
