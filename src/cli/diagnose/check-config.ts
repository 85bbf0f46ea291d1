import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Command } from 'commander';
import { findSettings, type SettingFound } from '../../config.ts';
import { checkCertificates } from '../../doctor/certificate-trust.ts';
import type { Finding } from '../../doctor/finding.ts';
import { checkPaths, checkStateFolder, type NamedPath } from '../../doctor/state-folder.ts';
import { checkStore } from '../../doctor/store-health.ts';
import type { BootstrapSettings } from '../../envoy/bootstrap.ts';
import { SandgateError } from '../../errors.ts';
import { checkEndpoints } from '../../fleet/process-flags.ts';
import { findStore, policyRules } from '../../policy-access.ts';
import type { Settings } from '../../settings.ts';
import type { CommandContext } from '../context.ts';
import { hostEnvironment } from '../host-environment.ts';
import { type Io, print, printJson } from '../io.ts';
import { withSettings } from '../setting-options.ts';
import { envoyOf, printFindings, refuseFailures } from './findings.ts';

type Started = 'serve' | 'dev';

/** `check-config [serve|dev]`: checks what a start with these settings would use, without starting or creating anything. */
export function register(parent: Command, context: CommandContext): void {
  const group = parent
    .command('check-config')
    .description(
      'check the settings, the files they name, the store and the Envoy config; starts and creates nothing',
    );
  for (const name of ['serve', 'dev'] as const) {
    withSettings(group.command(name, { isDefault: name === 'serve' }), name)
      .description(`check what \`sandgate ${name}\` would start with, and show where each setting comes from`)
      .option('--json', 'print settings, faults and findings as JSON')
      .action(() => checkConfig(context, name));
  }
}

async function checkConfig({ io, json, flags }: CommandContext, command: Started): Promise<void> {
  const { found, faults, settings } = findSettings(command, flags, hostEnvironment());
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
  const { checkEnvoy, checkEnvoyConfig } = await import('../../doctor/programs.ts');
  const { finding, binary } = await checkEnvoy(() => envoyOf(settings));
  return [
    ...checkPaths(pathsOf(settings)),
    ...checkStateFolder(settings.stateDir, process.getuid?.()),
    ...(command === 'dev' ? checkCertificates(join(settings.stateDir, 'certificates'), Date.now()) : []),
    ...(await checkStore(() => findStore(settings), policyRules(settings))),
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

/** The config that `dev` would run; for `serve`, the config of an Envoy that uses its gates. */
async function bootstrapOf(command: Started, settings: Settings, folder: string): Promise<BootstrapSettings> {
  const admin = { path: join(folder, 'admin.sock') };
  if (command === 'serve') {
    const { listen, processes } = settings;
    const gates = processes === 1 ? [listen] : checkEndpoints(listen, processes);
    return { http: [{ host: '0.0.0.0', port: 8080 }], https: [], gates, admin };
  }
  const { http, https, domains } = settings;
  const { ensureCertificates } = await import('../../dev/certificates/certificates.ts');
  const tls = await ensureCertificates(join(folder, 'certificates'), domains, Date.now, () => {});
  return { http, https, tls, gates: [{ path: join(folder, 'gate.sock') }], admin };
}

/** The value that applies, with `<state>` replaced if the state folder is known. */
function shown({ setting, text, from }: SettingFound, settings: Settings | undefined) {
  const stateDir = settings?.stateDir;
  const value =
    setting.name === 'stateDir' ? (stateDir ?? text) : text.replace('<state>', stateDir ?? '<state>');
  return { name: setting.env, flag: setting.flag.split(' ')[0], value, from };
}

function printSettings(io: Io, rows: readonly ReturnType<typeof shown>[]): void {
  const widest = (texts: readonly string[]) => Math.max(...texts.map((text) => text.length));
  const name = widest(rows.map((row) => row.name));
  const from = widest(rows.map((row) => row.from));
  for (const row of rows)
    print(io, `${row.name.padEnd(name)}  ${row.from.padEnd(from)}  ${row.value || '(none)'}`);
}
