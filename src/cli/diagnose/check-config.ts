import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Flags, findSettings, type SettingFound } from '../../config.ts';
import { ensureCertificates } from '../../dev/certificates/certificates.ts';
import { checkCertificates } from '../../doctor/certificate-trust.ts';
import type { Finding } from '../../doctor/finding.ts';
import { checkEnvoy, checkEnvoyConfig } from '../../doctor/programs.ts';
import { checkPaths, checkStateFolder, type NamedPath } from '../../doctor/state-folder.ts';
import { checkStore } from '../../doctor/store-health.ts';
import type { BootstrapSettings } from '../../envoy/bootstrap.ts';
import { SandgateError } from '../../errors.ts';
import { checkPlaces } from '../../fleet/process-flags.ts';
import { findStore, policyRules } from '../../policy-access.ts';
import type { Settings } from '../../settings.ts';
import { type Io, print, printJson } from '../io.ts';
import { surroundings } from '../surroundings.ts';
import { envoyOf, printFindings, refuseFailures } from './findings.ts';

type Started = 'serve' | 'dev';

/** `check-config [serve|dev]`: what a start with these settings would find, without starting or making anything. */
export async function checkConfig(io: Io, command: Started, flags: Flags, json: boolean): Promise<void> {
  const { found, faults, settings } = findSettings(command, flags, surroundings());
  const findings = settings === undefined ? [] : await findingsOf(command, settings);
  const rows = found.map((one) => shown(one, settings));
  if (json) printJson(io, { command, settings: rows, faults, findings });
  else printSettings(io, rows);
  if (faults.length > 0) {
    throw new SandgateError('SETTINGS_INVALID', faults.join('\n'), {
      remedy: `see \`sandgate ${command} --help\`${command === 'serve' ? '; for the local stack: `sandgate check-config dev`' : ''}`,
    });
  }
  if (!json) {
    print(io, '');
    printFindings(io, findings);
  }
  refuseFailures(findings);
}

async function findingsOf(command: Started, settings: Settings): Promise<Finding[]> {
  const { finding, binary } = await checkEnvoy(() => envoyOf(settings));
  return [
    ...checkPaths(pathsOf(settings)),
    ...checkStateFolder(settings.stateDir, process.getuid?.()),
    ...(command === 'dev' ? checkCertificates(join(settings.stateDir, 'certificates'), Date.now()) : []),
    await checkStore(() => findStore(settings), policyRules(settings)),
    finding,
    ...(binary === undefined
      ? []
      : [
          await checkEnvoyConfig({
            binary: binary.path,
            settings: (folder) => bootstrapOf(command, settings, folder),
            temporary: tmpdir(),
          }),
        ]),
  ];
}

function pathsOf({ store, policyDir, envoy }: Settings): NamedPath[] {
  return [
    ...(store === 'files'
      ? [{ setting: 'SANDGATE_POLICY_DIR', path: policyDir, kind: 'folder' as const }]
      : []),
    ...(envoy === undefined ? [] : [{ setting: 'SANDGATE_ENVOY', path: envoy, kind: 'program' as const }]),
  ];
}

/** The config that `dev` would run; for `serve`, that of an Envoy which asks its gates. */
async function bootstrapOf(command: Started, settings: Settings, folder: string): Promise<BootstrapSettings> {
  const admin = { path: join(folder, 'admin.sock') };
  if (command === 'serve') {
    const { listen, processes } = settings;
    const gates = processes === 1 ? [listen] : checkPlaces(listen, processes);
    return { http: [{ host: '0.0.0.0', port: 8080 }], https: [], gates, admin };
  }
  const { http, https, domains } = settings;
  const tls = await ensureCertificates(join(folder, 'certificates'), domains, Date.now, () => {});
  return { http, https, tls, gates: [{ path: join(folder, 'gate.sock') }], admin };
}

/** In force rather than as written, where the state folder is known. */
function shown({ setting, text, from }: SettingFound, settings: Settings | undefined) {
  const stateDir = settings?.stateDir;
  const meant =
    setting.name === 'stateDir' ? (stateDir ?? text) : text.replace('<state>', stateDir ?? '<state>');
  return { name: setting.env, flag: setting.flag.split(' ')[0], value: meant, from };
}

function printSettings(io: Io, rows: readonly ReturnType<typeof shown>[]): void {
  const widest = (texts: readonly string[]) => Math.max(...texts.map((text) => text.length));
  const name = widest(rows.map((row) => row.name));
  const from = widest(rows.map((row) => row.from));
  for (const row of rows)
    print(io, `${row.name.padEnd(name)}  ${row.from.padEnd(from)}  ${row.value || '(none)'}`);
}
