import { type Endpoint, formatEndpoint, parseEndpoint } from '../address.ts';
import { HttpPolicyAdmin } from '../admin/http-client.ts';
import type { PolicyAdmin } from '../admin/policy-admin.ts';
import { SandgateError } from '../errors.ts';
import { type GateRun, liveDoors, type SupervisorRun } from '../server/run-file.ts';
import type { Settings } from '../settings.ts';
import { adminKey } from './admin-key.ts';

/** How a command reaches the policies: told to people on stderr, and to programs as `via`. */
export type Way =
  | { kind: 'api'; api: string }
  | { kind: 'gate'; pid: number; api: string }
  | { kind: 'store'; stateDir: string; gates: number };

/** Longer than a write waits for other gates (2 s) and for somebody else's lock on the store (2 s). */
const TIME_LIMIT_MS = 15_000;
/** A gate that is stopped or starved still accepts connections; another one may answer at once. */
const PROBE_MS = 2000;

export function wayText(way: Way): string {
  switch (way.kind) {
    case 'api':
      return `via the policy API at ${way.api}`;
    case 'gate':
      return `via the gate with pid ${way.pid}`;
    case 'store':
      return `straight to the store: no gate${way.gates > 0 ? ' with a policy API' : ''} runs on ${way.stateDir}`;
    default:
      return way satisfies never;
  }
}

/**
 * The policy API to go through: the one that was named, else that of the first gate of the state folder that answers.
 * Undefined where no gate offers one. Throws API_UNREACHABLE where gates do and none answers: with a write past them,
 * nobody would know when it is in force.
 */
export async function findApi(
  settings: Settings,
): Promise<{ way: Way; admin: PolicyAdmin; gate?: GateRun | SupervisorRun } | undefined> {
  // A socket asks for none, and whoever listens there need not learn it.
  const keyFor = (at: Endpoint) => ('path' in at ? undefined : adminKey(settings));
  if (settings.api !== undefined) {
    const { api: at } = settings;
    const admin = new HttpPolicyAdmin({ at, key: keyFor(at), timeLimitMs: TIME_LIMIT_MS });
    return { way: { kind: 'api', api: formatEndpoint(at) }, admin };
  }
  const offering = liveDoors(settings.stateDir).filter((gate) => gate.admin !== undefined);
  const failures: string[] = [];
  for (const gate of offering) {
    const at = parseEndpoint(gate.admin!);
    const door = { at, key: keyFor(at) };
    try {
      await new HttpPolicyAdmin({ ...door, timeLimitMs: PROBE_MS }).list({ limit: 1 });
    } catch (error) {
      if (!(error instanceof SandgateError) || error.code !== 'API_UNREACHABLE') throw error;
      failures.push(`pid ${gate.pid}: ${error.message}`);
      continue;
    }
    const admin = new HttpPolicyAdmin({ ...door, timeLimitMs: TIME_LIMIT_MS });
    return { way: { kind: 'gate', pid: gate.pid, api: formatEndpoint(at) }, admin, gate };
  }
  if (failures.length === 0) return undefined;
  throw new SandgateError(
    'API_UNREACHABLE',
    `no gate on ${settings.stateDir} answers (${failures.join('; ')})`,
    {
      remedy: 'see the log of that gate, end it if it hangs, and run the command again',
    },
  );
}
