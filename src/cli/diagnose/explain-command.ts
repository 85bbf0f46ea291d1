import type { Flags } from '../../config.ts';
import { SandgateError } from '../../errors.ts';
import { hasToken, readRequest, withToken } from '../../explain/client-request.ts';
import { explain } from '../../explain/explain.ts';
import { formatExplanation } from '../../explain/explanation.ts';
import { systemClock } from '../../policy/clock.ts';
import { handlerContext, policyRules } from '../../policy-access.ts';
import { withStore } from '../connect.ts';
import { settingsBeside } from '../gate-settings.ts';
import { type Io, print, printJson, readAll, warn } from '../io.ts';

const LARGEST_TOKEN = 64 * 1024;

export interface ExplainFlags {
  header?: readonly string[];
  method: string;
  tokenStdin?: true;
  token?: string | true;
  json?: true;
}

/** `explain <url>`: what the gate would decide, step by step. Sends nothing to the sandbox. */
export async function explainCommand(io: Io, url: string, flags: ExplainFlags & object): Promise<void> {
  const { header = [], method, tokenStdin, token, json, ...settings } = flags;
  if (token !== undefined) {
    throw new SandgateError(
      'SETTINGS_INVALID',
      'a token is no argument: others on this machine would see it',
      {
        remedy: 'give it on standard input with --token-stdin',
      },
    );
  }
  const read = readRequest(url, header, method);
  if (hasToken(read) && !json)
    warn(io, 'a token in -H is seen by every user of this machine; --token-stdin shows it to none');
  const request = tokenStdin ? withToken(read, await readAll(io.stdin, LARGEST_TOKEN)) : read;
  const { settings: found, gates } = settingsBeside(settings as Flags);
  const rules = policyRules(found);
  await withStore(found, true, async (store) => {
    const explanation = await explain(request, {
      store,
      rules,
      gate: placeOf(found, rules),
      clock: systemClock,
    });
    if (json) return printJson(io, { ...explanation, gates: gates.length });
    print(io, formatExplanation(explanation));
    if (gates.length === 0)
      print(io, '\nNo gate runs on this state folder: judged with the settings of this command.');
  });
}
