import { join } from 'node:path';
import { HttpPolicyAdmin } from '../../dist/policy-api/client/http-client.js';
import { gateFlags, SERVE, startProgram } from '../stack/gates.mjs';
import { residentMb } from '../stack/processor-time.mjs';

/** Longer than a gate takes to answer after it started to stop. */
const TIME_LIMIT_MS = 3000;

/**
 * Two gates over one store; one can be killed at any time and is restarted at once.
 * @param {import('../stack/workspace.mjs').Workspace} workspace @param {string} stateDir
 */
export async function startFleet({ dir, undo }, stateDir) {
  const places = [0, 1].map((n) => ({
    socket: join(dir, 'check', `gate-${n}.sock`),
    admin: join(dir, 'policy-api', `gate-${n}.sock`),
  }));
  /** @param {{ socket: string, admin: string }} place */
  const start = ({ socket, admin }) => {
    const program = [...SERVE, ...gateFlags(stateDir, socket, [`--policy-api=unix:${admin}`])];
    return startProgram(program, join(dir, 'gate.log'), undefined);
  };
  const gates = await Promise.all(places.map(start));
  let kills = 0;
  let asked = 0;
  let starting = Promise.resolve();
  let whole = true;
  undo(async () => {
    await starting.catch(() => {});
    await Promise.all(gates.map(({ kill }) => kill()));
  });
  return {
    sockets: places.map(({ socket }) => socket),
    /** Resolves when both are ready. */
    async memoryMb() {
      await starting;
      return gates.map(({ pid }) => residentMb(pid));
    },
    kills: () => kills,
    /** Sends SIGKILL to the gates alternately; to neither while one is still starting, so that one is always up. */
    killOne() {
      const n = kills % gates.length;
      const [gate, place] = [gates[n], places[n]];
      if (!whole || gate === undefined || place === undefined) return;
      kills++;
      whole = false;
      starting = gate.kill().then(async () => {
        gates[n] = await start(place);
        whole = true;
      });
    },
    /** Through the policy API of one gate, the next time of the other. @param {readonly unknown[]} records */
    put(records) {
      const { admin } = places[asked++ % places.length] ?? { admin: '' };
      return new HttpPolicyAdmin({ at: { path: admin }, timeLimitMs: TIME_LIMIT_MS }).put(records);
    },
  };
}
