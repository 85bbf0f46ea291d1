import { lookup } from 'node:dns/promises';
import { readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Command } from 'commander';
import { type Address, formatAddress } from '../../address.ts';
import { readSettings, trustFiles } from '../../config.ts';
import { stateFlag } from '../../dev/banner.ts';
import { checkCertificates } from '../../doctor/certificate-trust.ts';
import { checkClock } from '../../doctor/clock-sanity.ts';
import type { Finding } from '../../doctor/finding.ts';
import { type CloudNames, checkNames, checkPorts, type WantedAddress } from '../../doctor/ports-and-names.ts';
import { checkServedCertificate } from '../../doctor/served-certificate.ts';
import { checkLeftovers, checkStateFolder } from '../../doctor/state-folder.ts';
import { checkGates, checkStore } from '../../doctor/store-health.ts';
import { fileLimit } from '../../envoy/capacity.ts';
import { PACKAGE_ROOT } from '../../package-root.ts';
import { systemClock } from '../../policy/clock.ts';
import { findStore, policyRules } from '../../policy-access.ts';
import type { Settings } from '../../settings.ts';
import { isAlive } from '../../state/process-identity.ts';
import type { Readiness } from '../../state/readiness.ts';
import { type GateRun, liveClient, liveGates, type Run, readRuns } from '../../state/run-file.ts';
import type { CommandContext } from '../context.ts';
import { hostEnvironment } from '../host-environment.ts';
import { printJson } from '../io.ts';
import { withSettings } from '../setting-options.ts';
import { envoyOf, printFindings, refuseFailures } from './findings.ts';

const READY_WITHIN_MS = 2000;

/** `doctor`: checks this machine for everything the local stack needs, and says how to fix it. Changes nothing. */
export function register(parent: Command, context: CommandContext): void {
  withSettings(parent.command('doctor'), 'dev')
    .description('check this machine for everything the local stack needs; changes nothing')
    .option('--json', 'print the findings as JSON')
    .action(() => doctor(context));
}

async function doctor({ io, json, flags }: CommandContext): Promise<void> {
  const settings = readSettings('dev', flags, hostEnvironment());
  const findings = await findingsOf(settings);
  if (json) printJson(io, { findings });
  else printFindings(io, findings);
  refuseFailures(findings);
}

async function findingsOf(settings: Settings): Promise<Finding[]> {
  const { checkEnvoy, checkFileLimit, checkNode, checkPython } = await import('../../doctor/programs.ts');
  const { findPython } = await import('../../envoy/pip.ts');
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
    ...(await checkStore(() => findStore(settings), policyRules(settings))),
    checkLeftovers(runs),
    ...(await checkGates(liveGates(stateDir), fetchReadiness)),
    ...(await checkPorts(requiredPorts(settings), runs)),
    ...(await checkNames(domains, resolve, cloud)),
    ...checkCertificates(join(stateDir, 'certificates'), systemClock.now(), trustFiles(), cloud?.remedy),
    ...(await Promise.all(ingresses(runs).map((ingress) => checkServed(stateDir, ingress)))),
    checkFileLimit(settings.maxHeapMib, fileLimit()),
    checkClock(systemClock, before, tmpdir()),
  ];
}

/** A TLS address of each running local stack. */
function ingresses(runs: readonly Run[]): Address[] {
  return runs.flatMap((run) => (run.kind === 'dev' && isAlive(run) ? run.https.slice(0, 1) : []));
}

function checkServed(stateDir: string, ingress: Address): Promise<Finding> {
  const file = join(stateDir, 'certificates', 'server.pem');
  return checkServedCertificate(file, ingress, join(stateDir, 'logs', 'envoy.log'));
}

function cloudOf(settings: Settings): CloudNames | undefined {
  const client = liveClient(settings.stateDir);
  const remedy = `eval "$(npx sandgate env${stateFlag(settings)})"`;
  return client && { domain: client.domain.replace(/:\d+$/, ''), remedy };
}

function requiredPorts({ http, https, ops, gates }: Settings): WantedAddress[] {
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

async function fetchReadiness({ ops }: GateRun): Promise<Readiness> {
  const signal = AbortSignal.timeout(READY_WITHIN_MS);
  return (await (await fetch(`http://${formatAddress(ops)}/readyz`, { signal })).json()) as Readiness;
}

function engines(): string {
  const file = readFileSync(`${PACKAGE_ROOT}package.json`, 'utf8');
  return (JSON.parse(file) as { engines: { node: string } }).engines.node;
}
