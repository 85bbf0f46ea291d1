import { type Command, Option } from 'commander';
import { SandgateError } from '../../errors.ts';
import { systemClock } from '../../policy/clock.ts';
import { handlerContext, policyRules } from '../../policy-access.ts';
import { withStore } from '../connect.ts';
import type { CommandContext } from '../context.ts';
import { settingsBesideGates } from '../gate-settings.ts';
import { print, printJson, readAll, warn } from '../io.ts';
import { withSettings } from '../setting-options.ts';

const LARGEST_TOKEN = 64 * 1024;

interface ExplainOptions {
  header?: readonly string[];
  method: string;
  tokenStdin?: true;
  token?: string | true;
}

/** `explain <url>`: shows step by step what the gate would decide. Sends nothing to the sandbox. */
export function register(parent: Command, context: CommandContext): void {
  const collect = (line: string, before: readonly string[] = []) => [...before, line];
  withSettings(parent.command('explain'), 'policy')
    .argument('<url>', 'URL that a client would request, such as http://8080-demo.e2b.localhost:3002/')
    .description('show step by step what the gate decides for a request, and why; sends nothing')
    .option('-H, --header <line>', "a request header, 'name: value'; may be repeated", collect)
    .option('-X, --method <method>', 'request method', 'GET')
    .option('--token-stdin', 'read the traffic access token from standard input')
    .addOption(new Option('--token [value]').hideHelp())
    .option('--json', 'print the explanation as JSON')
    .action((url: string, options: ExplainOptions) => explainCommand(context, url, options));
}

async function explainCommand(context: CommandContext, url: string, options: ExplainOptions): Promise<void> {
  const { io, json } = context;
  const { header = [], method, tokenStdin, token } = options;
  if (token !== undefined) {
    throw new SandgateError(
      'SETTINGS_INVALID',
      'do not pass a token as an argument: other users can see it',
      {
        remedy: 'pass it on standard input with --token-stdin',
      },
    );
  }
  const { hasToken, readRequest, withToken } = await import('../../explain/client-request.ts');
  const { explain } = await import('../../explain/explain.ts');
  const { formatExplanation } = await import('../../explain/explanation.ts');
  const read = readRequest(url, header, method);
  if (hasToken(read) && !json)
    warn(io, 'every user of this machine can see a token in -H; use --token-stdin instead');
  const request = tokenStdin
    ? withToken(read, (await readAll(io.stdin, LARGEST_TOKEN)).toString('utf8'))
    : read;
  const { settings: found, gates } = settingsBesideGates(context.flags);
  const rules = policyRules(found);
  await withStore(found, true, async (store) => {
    const explanation = await explain(request, {
      store,
      rules,
      gate: handlerContext(found, rules),
      clock: systemClock,
    });
    if (json) return printJson(io, { ...explanation, gates: gates.length });
    print(io, formatExplanation(explanation));
    if (gates.length === 0)
      print(io, '\nNo gate runs on this state folder; this result is based on the settings of this command.');
  });
}
