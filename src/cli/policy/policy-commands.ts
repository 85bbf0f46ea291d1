import { type Command, Option } from 'commander';
import type { Flags } from '../../config.ts';
import type { ListRequest } from '../../policy-api/policy-admin.ts';
import type { Io } from '../io.ts';
import { withSettings } from '../setting-options.ts';
import { policyExport } from './policy-export.ts';
import { type ImportChoices, policyImport } from './policy-import.ts';
import { policyPut } from './policy-put.ts';
import { policyDelete, policyGet, policyList } from './policy-read.ts';

type Given = Flags & { json?: true };

const WAY =
  '\nGoes through the policy API of a gate where one runs on the state folder, else straight to the store, and says which.';

/** `sandgate policy …`. */
export function addPolicyCommands(program: Command, io: Io): void {
  const policy = program.command('policy').description('read and write policies');
  const command = (name: string) => withSettings(policy.command(name), 'policy').addHelpText('after', WAY);
  command('put')
    .argument('<file|->', 'JSON: one record, or an array of them (one transaction); - is standard input')
    .description('write policies and wait until they are in force at the running gates')
    .option('--json', 'print the records as stored')
    .action((file: string, flags: Given) => policyPut(io, file, flags, flags.json === true));
  command('get')
    .argument('<sandboxId>')
    .description('print one record as JSON; `policy put -` takes it back')
    .option('--json', 'the same, and nothing on standard error: a record is always JSON')
    .action((sandboxId: string, flags: Given) => policyGet(io, sandboxId, flags, flags.json === true));
  command('list')
    .description('list policies: id, state, route, door')
    .addOption(new Option('--state <state>', 'only these').choices(['running', 'paused', 'transitioning']))
    .option('--prefix <text>', 'only ids that begin with it')
    .option('--json', 'print one array of records')
    .action((flags: Given) => {
      const { state, prefix } = flags as { state?: NonNullable<ListRequest['state']>; prefix?: string };
      const filter = { ...(state && { state }), ...(prefix && { idPrefix: prefix }) };
      return policyList(io, filter, flags, flags.json === true);
    });
  command('delete')
    .argument('<sandboxId>')
    .description('delete a policy; the sandbox is then not found')
    .option('--json', 'print what was deleted as JSON')
    .action((sandboxId: string, flags: Given) => policyDelete(io, sandboxId, flags, flags.json === true));
  command('export')
    .argument('[file|-]', 'where to; - is standard output', '-')
    .description('write every policy as JSON Lines, with a last line that tells their number and digest')
    .option('--json', 'with a file: print what was exported as JSON')
    .addHelpText('after', EXPORT_NOTES)
    .action((file: string, flags: Given) => policyExport(io, file, flags, flags.json === true));
  command('import')
    .argument('<file|->', 'what `policy export` wrote; - is standard input')
    .description('write the policies of an export over what is stored; identical ones are left alone')
    .addOption(
      new Option('--on-error <stop|skip>', 'a bad line: write nothing at all, or all but that line')
        .choices(['stop', 'skip'])
        .default('stop'),
    )
    .option('--no-verify', 'take a file whose last line does not fit, such as one written by hand')
    .option('--dry-run', 'say what would be written, and write nothing')
    .option('--json', 'print the counts and the bad lines as JSON')
    .addHelpText('after', IMPORT_NOTES)
    .action((file: string, flags: Given) => {
      const { onError, verify, dryRun } = flags as unknown as Partial<ImportChoices>;
      const choices = { onError: onError!, verify: verify !== false, dryRun: dryRun === true };
      return policyImport(io, file, choices, flags, flags.json === true);
    });
}

const EXPORT_NOTES = `
Holds digests of tokens, never tokens. A file appears whole or not at all, readable for its owner only. Policies that
are written meanwhile may or may not be in it. Records that are not whole are named, left out, and make it exit 1.`;

const IMPORT_NOTES = `
Everything is read, checked and verified before anything is written; then in batches of up to 500, each written whole
or not at all, so that a broken import is mended by running it again. Versions are dropped: what is stored is
written over whatever its version. It brings no revoked token back and deletes nothing. With --on-error skip, skipped
lines are told and the exit code is 0.`;
