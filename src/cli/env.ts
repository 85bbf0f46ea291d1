import { resolve } from 'node:path';
import { type Flags, readSettings, trustFiles } from '../config.ts';
import { clientEnvironment, exportLines } from '../dev/client-environment.ts';
import { type Io, print, printJson } from './io.ts';
import { surroundings } from './surroundings.ts';

/** `env`: for `eval "$(sandgate env)"`. It prints the API key: that is what it is for. */
export async function clientEnv(io: Io, flags: Flags, json: boolean): Promise<void> {
  const { stateDir } = readSettings('env', flags, surroundings());
  const environment = await clientEnvironment(
    stateDir,
    trustFiles().map(({ file }) => resolve(file)),
  );
  if (json) printJson(io, environment);
  else print(io, exportLines(environment));
}
