import { lookup } from 'node:dns/promises';
import { readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { formatAddress } from '../../address.ts';
import { type Flags, readSettings, trustFiles } from '../../config.ts';
import { stateFlag } from '../../dev/banner.ts';
import { checkCertificates } from '../../doctor/certificate-trust.ts';
import { checkClock } from '../../doctor/clock-sanity.ts';
import type { Finding } from '../../doctor/finding.ts';
import { type CloudNames, checkNames, checkPorts, type WantedAddress } from '../../doctor/ports-and-names.ts';
import { checkEnvoy, checkNode, checkPython } from '../../doctor/programs.ts';
import { checkLeftovers, checkStateFolder } from '../../doctor/state-folder.ts';
import { checkGates, checkStore } from '../../doctor/store-health.ts';
import { findPython } from '../../envoy/pip.ts';
import { PACKAGE_ROOT } from '../../package-root.ts';
import { systemClock } from '../../policy/clock.ts';
import { findStore, policyRules } from '../../policy-access.ts';
import type { Settings } from '../../settings.ts';
import type { Readiness } from '../../state/readiness.ts';
import { type GateRun, liveClient, liveGates, readRuns } from '../../state/run-file.ts';
import { type Io, printJson } from '../io.ts';
import { surroundings } from '../surroundings.ts';
import { envoyOf, printFindings, refuseFailures } from './findings.ts';

const READY_WITHIN_MS = 2000;

/** `doctor`: looks at everything that the local stack needs of this machine, and says what to do. Changes nothing. */
export async function doctor(io: Io, flags: Flags, json: boolean): Promise<void> {
  const settings = readSettings('dev', flags, surroundings());
  const findings = await findingsOf(settings);
  if (json) printJson(io, { findings });
  else printFindings(io, findings);
  refuseFailures(findings);
}

async function findingsOf(settings: Settings): Promise<Finding[]> {
  const before = { wall: systemClock.now(), monotonic: systemClock.monotonic() };
  const { stateDir, domains, searchPath } = settings;
  const runs = readRuns(stateDir);
  const cloud = cloudOf(settings);
  const envoy = await checkEnvoy(() => envoyOf(settings));
  return [
    checkNode(process.versions.node, engines()),
    envoy.finding,
    await checkPython(() => findPython(searchPath), envoy.binary === undefined),
    ...checkStateFolder(stateDir, process.getuid?.()),
    await checkStore(() => findStore(settings), policyRules(settings)),
    checkLeftovers(runs),
    ...(await checkGates(liveGates(stateDir), askReady)),
    ...(await checkPorts(wantedBy(settings), runs)),
    ...(await checkNames(domains, resolve, cloud)),
    ...checkCertificates(join(stateDir, 'certificates'), systemClock.now(), trustFiles(), cloud?.remedy),
    checkClock(systemClock, before, tmpdir()),
  ];
}

function cloudOf(settings: Settings): CloudNames | undefined {
  const client = liveClient(settings.stateDir);
  const remedy = `eval "$(npx sandgate env${stateFlag(settings)})"`;
  return client && { domain: client.domain.replace(/:\d+$/, ''), remedy };
}

function wantedBy({ http, https, ops, gates }: Settings): WantedAddress[] {
  const opsOf = (n: number) => ({ ...ops, port: ops.port === 0 ? 0 : ops.port + n });
  return [
    ...http.map((address) => ({ address, setting: 'SANDGATE_HTTP' })),
    ...https.map((address) => ({ address, setting: 'SANDGATE_HTTPS' })),
    ...Array.from({ length: gates }, (_, n) => ({ address: opsOf(n), setting: 'SANDGATE_OPS' })),
  ];
}

async function resolve(name: string): Promise<string[]> {
  return (await lookup(name, { all: true })).map(({ address }) => address);
}

async function askReady({ ops }: GateRun): Promise<Readiness> {
  const signal = AbortSignal.timeout(READY_WITHIN_MS);
  return (await (await fetch(`http://${formatAddress(ops)}/readyz`, { signal })).json()) as Readiness;
}

function engines(): string {
  const file = readFileSync(`${PACKAGE_ROOT}package.json`, 'utf8');
  return (JSON.parse(file) as { engines: { node: string } }).engines.node;
}
