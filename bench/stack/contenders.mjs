import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { MIXES } from '../client/mixes.mjs';
import { allowBytes } from './allow-bytes.mjs';
import { answerAtOnce, destinationByHeader, withoutGate } from './envoy-edits.mjs';
import { envoysIn } from './envoys.mjs';
import { gateFlags, gateOf, SERVE, startProgram, UNOBSERVED } from './gates.mjs';
import { LOAD_CORE, MEASURED_CORE, pin } from './pinning.mjs';
import { TOKEN, writePolicies } from './policies.mjs';
import { root } from './workspace.mjs';

/**
 * What is measured: the pids whose CPU counts, Envoy's port, and the target of the load. `mixes`: those it can answer;
 * all if absent.
 * @typedef {{ name: string, envoy: number, gate: number | undefined, port: number, target: (mix: MixName, seconds: number) => import('./round.mjs').Target, mixes?: readonly MixName[] }} Contender
 * @typedef {import('../client/mixes.mjs').MixName} MixName
 * @typedef {import('./workspace.mjs').Workspace} Workspace
 */

/** Mixes of any gate that knows one token: the floor, peers. */
const ALWAYS_ALLOWED = /** @type {const} */ (['allow']);
const ONE_TOKEN = /** @type {const} */ (['allow', 'deny', 'half']);

/**
 * An upstream, and an Envoy with the bundled config for each contender. `again` is the same as `gate`; `before` is the
 * gate of another checkout, `against`.
 * @param {Workspace} workspace
 * @param {{ names: readonly ('open' | 'gate' | 'floor' | 'unobserved' | 'again' | 'before')[], against?: string, peers?: readonly import('./peers.mjs').Peer[], population: { s: number, d: number } }} wanted
 */
export async function startContenders(workspace, { names, against = '', peers = [], population }) {
  const { dir, undo } = workspace;
  const envoys = await envoysIn(workspace);
  const sandbox = await envoys.start('sandbox', { edit: answerAtOnce, core: LOAD_CORE });
  const websocketPort = await startWebsocketSandbox(workspace);
  /** A store for each gate: versions differ in what they read there. @param {string} name */
  const stateOf = async (name) => {
    const stateDir = join(dir, `state-${name}`);
    console.error(`${name}: writing ${population.s + population.d} policies …`);
    await writePolicies(stateDir, 's', population.s);
    await writePolicies(stateDir, 'd', population.d);
    return stateDir;
  };

  const walks = new Map();
  /** @param {boolean} gated */
  const targetOf = (gated) => (/** @type {MixName} */ mix, /** @type {number} */ seconds) => {
    const port = MIXES[mix].websocket ? websocketPort : sandbox.port;
    // Each round continues where the last one stopped, so that none of its sandboxes is cached.
    const from = gated && mix === 'cold' ? (walks.get(mix) ?? 0) : 0;
    walks.set(mix, from + seconds * 10_000);
    return { port, token: TOKEN, gated, from };
  };

  /** @param {string} name @param {string} socket @param {readonly string[]} program */
  const behindEnvoy = async (name, socket, program) => {
    const gate = await startProgram(program, join(dir, `${name}.log`), MEASURED_CORE);
    undo(gate.kill);
    const envoy = await envoys.start(name, { gates: [socket], core: MEASURED_CORE });
    await envoy.waitForGate(20_000);
    return { name, envoy: envoy.pid, gate: gate.pid, port: envoy.port, target: targetOf(true) };
  };

  /** @type {Contender[]} */
  const contenders = [];
  for (const name of names) {
    const folder = join(dir, `${name}-check`);
    const socket = join(folder, 'gate.sock');
    if (name === 'open') {
      const envoy = await envoys.start(name, { edit: withoutGate, core: MEASURED_CORE });
      contenders.push({
        name,
        envoy: envoy.pid,
        gate: undefined,
        port: envoy.port,
        target: targetOf(false),
      });
    } else if (name === 'floor') {
      mkdirSync(folder);
      const program = [
        join(root, 'bench', 'stack', 'floor-gate.mjs'),
        socket,
        allowBytes(sandbox.port).toString('hex'),
      ];
      contenders.push({ ...(await behindEnvoy(name, socket, program)), mixes: ALWAYS_ALLOWED });
    } else {
      const { program, adminFlag } = await programOf(name, against);
      const flags = gateFlags(await stateOf(name), socket, adminFlag === undefined ? undefined : [adminFlag]);
      contenders.push(await behindEnvoy(name, socket, [...program, ...flags]));
    }
  }
  for (const { name, socket, pid } of peers) {
    // It stays on this core afterwards; its owner can move it back.
    pin(pid, MEASURED_CORE);
    const envoy = await envoys.start(`peer-${name}`, {
      gates: [socket],
      edit: destinationByHeader,
      core: MEASURED_CORE,
    });
    await envoy.waitForGate(20_000);
    const target = (/** @type {MixName} */ mix, /** @type {number} */ seconds) => ({
      ...targetOf(true)(mix, seconds),
      named: true,
    });
    contenders.push({ name, envoy: envoy.pid, gate: pid, port: envoy.port, target, mixes: ONE_TOKEN });
  }
  return { contenders, envoyVersion: envoys.version };
}

/**
 * @param {'gate' | 'again' | 'unobserved' | 'before'} name @param {string} against
 * @returns {Promise<{ program: readonly string[], adminFlag?: string }>}
 */
async function programOf(name, against) {
  if (name === 'before') return gateOf(against);
  return { program: name === 'unobserved' ? UNOBSERVED : SERVE };
}

/** @param {Workspace} workspace */
export async function startWebsocketSandbox({ dir, undo }) {
  const portFile = join(dir, 'websocket.port');
  const program = [join(root, 'bench', 'stack', 'websocket-sandbox.mjs'), portFile];
  const sandbox = await startProgram(program, join(dir, 'websocket.log'), LOAD_CORE);
  undo(sandbox.kill);
  return Number(readFileSync(portFile, 'utf8'));
}
