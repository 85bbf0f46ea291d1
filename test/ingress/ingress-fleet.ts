import { createServer } from 'node:net';
import { join } from 'node:path';
import type { Address } from '../../src/address.ts';
import { readSettings } from '../../src/config.ts';
import { parsePut } from '../../src/policy/put.ts';
import type { PolicyPut } from '../../src/policy/record.ts';
import type { PolicyStore } from '../../src/policy/store.ts';
import { openStore, policyRules } from '../../src/policy-access.ts';
import { type Case, DOMAINS, MEMBERS, recordOf } from '../e2e/cases.ts';
import { type Places, settle } from '../e2e/fleet.ts';
import { type Authority, createAuthority, type Issued } from '../stack/authority.ts';
import { type GateProcess, startGateProcess } from '../stack/gate-process.ts';
import { expectInForce } from '../stack/in-force.ts';

/** An ingress makes certificates and loads a hundred manifests one by one, on a machine that may be busy. */
export const STARTS_WITHIN = { timeout: 300_000, interval: 100 };

/** What the manifests around the shipped ones name. */
export interface Surroundings {
  port: number;
  gates: readonly Address[];
  gateCa: string;
  client: Issued;
  routes: readonly SandboxRoute[];
}

/** A route of the ingress's own: these hosts to this address. */
export interface SandboxRoute {
  name: string;
  hosts: readonly string[];
  to: Address;
}

/** The name in the gates' certificates, which the shipped manifests check. */
const GATE_NAME = 'sandgate.sandgate.svc.cluster.local';

/** The sandboxes of the table, and two gates with `--routing ingress` and mutual TLS. No ingress yet. */
export interface IngressFleet extends Places {
  gates: readonly Address[];
  authority: Authority;
  /** The certificate that the gates require of the ingress. */
  client: Issued;
  /** The running gates; a restarted one replaces its predecessor. */
  processes: GateProcess[];
  startGate(n: number): Promise<void>;
  put(...records: Record<string, unknown>[]): Promise<void>;
  /** A route for each host of these cases that arrives somewhere. */
  routesFor(cases: readonly Case[]): SandboxRoute[];
  stop(): Promise<void>;
}

export async function startIngressFleet(folder: string): Promise<IngressFleet> {
  const places = await settle();
  const authority = await createAuthority(folder, 'ca');
  const gate = await authority.issue('gate', [GATE_NAME]);
  const client = await authority.issue('client', ['ingress.example']);
  const stateDir = join(folder, 'gate');
  const settings = readSettings(
    'serve',
    { stateDir, domains: DOMAINS, routing: 'ingress', ops: '127.0.0.1:0' },
    { baseDir: folder, ipv6Loopback: false },
    {},
  );
  const store = await openStore(settings);
  await putAll(store, settings);
  const gates = [await freeAddress(), await freeAddress()];
  const processes: GateProcess[] = [];
  const fleet: IngressFleet = {
    ...places,
    gates,
    authority,
    client,
    processes,
    async startGate(n) {
      const { host, port } = gates[n]!;
      processes[n] = await startGateProcess({
        stateDir,
        socket: '',
        ownListeners: '',
        flags: {
          listen: `${host}:${port}`,
          routing: 'ingress',
          domains: DOMAINS,
          'check-tls-certificate': gate.certificate,
          'check-tls-key': gate.key,
          'check-tls-client-ca': authority.ca,
          'cache-fresh': '1',
        },
      });
    },
    async put(...records) {
      const { sequence } = await store.write(
        records.map((record) => parsePut(record, policyRules(settings))),
      );
      await expectInForce(stateDir, sequence);
    },
    routesFor: (cases) => routesFor(places, cases),
    async stop() {
      await Promise.all(processes.map((one) => one.end()));
      await store.close();
      await places.close();
    },
  };
  try {
    await Promise.all(gates.map((_, n) => fleet.startGate(n)));
    return fleet;
  } catch (error) {
    await fleet.stop();
    throw error;
  }
}

/** The ingress routes, so the policies name no address. */
async function putAll(store: PolicyStore, settings: Parameters<typeof policyRules>[0]): Promise<void> {
  for (const member of MEMBERS) {
    const { route: _, ...runtime } = recordOf(member, '').runtime;
    const record = { ...recordOf(member, ''), runtime };
    // Not through `parsePut`, which refuses it.
    const unreadable = {
      ...record,
      runtime: { ...record.runtime, state: 'unheard-of' },
    } as unknown as PolicyPut;
    await store.write([member.unreadable ? unreadable : parsePut(record, policyRules(settings))]);
  }
}

function routesFor({ addressOf }: Places, cases: readonly Case[]): SandboxRoute[] {
  const hosts = new Map<string, { to: Address; hosts: Set<string> }>();
  const taken = new Set<string>();
  const add = (sandboxId: string, port: number, host: string) => {
    // A route has no port and no dot at the end; and hosts without a sandbox are of the shared kind, without a route.
    const name = host.toLowerCase().replace(/:\d+$/, '').replace(/\.$/, '');
    if (!/^\d+-[a-z0-9]+[.-]/.test(name) || taken.has(name)) return;
    taken.add(name);
    const key = `${sandboxId}-${port}`;
    const route = hosts.get(key) ?? { to: { host: addressOf(sandboxId), port }, hosts: new Set() };
    route.hosts.add(name);
    hosts.set(key, route);
  };
  for (const { sandboxId, listens = [] } of MEMBERS) {
    for (const port of listens) add(sandboxId, port, `${port}-${sandboxId}.e2b.app`);
  }
  for (const { request, expected } of cases) {
    if ('at' in expected) add(...expected.at, request.host);
    else if (expected.reason === 'port_closed') {
      const [port, sandboxId] = request.host.split(/[-.]/) as [string, string];
      add(sandboxId, Number(port), request.host);
    }
  }
  return [...hosts].map(([name, { to, hosts: names }]) => ({ name, to, hosts: [...names] }));
}

/** A port of 127.0.0.1 that was free just now, for programs that must be told one. */
export function freeAddress(): Promise<Address> {
  return new Promise((resolve, reject) => {
    const server = createServer().once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve({ host: '127.0.0.1', port }));
    });
  });
}
