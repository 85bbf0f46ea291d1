import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Ran, type RunOptions, sandgate } from '../stack/command.ts';
import { sandgateInside } from '../stack/command-inside.ts';
import { type GateProcess, type GateProcessOptions, startGateProcess } from '../stack/gate-process.ts';

/** A state folder, with commands that run on it in child processes, and its gates. */
export interface StateFolder {
  path: string;
  gates: GateProcess[];
  run(args: readonly string[], options?: RunOptions): Promise<Ran>;
  /** Runs a command inside this process, for tests that do not need a child process. */
  ask(args: readonly string[], input?: string, env?: RunOptions['env']): Promise<Omit<Ran, 'signal'>>;
  /** The output of a command with `--json`, which must succeed. */
  json<T = Record<string, unknown>>(
    args: readonly string[],
    input?: string,
    env?: RunOptions['env'],
  ): Promise<T>;
  startGate(flags?: GateProcessOptions['flags']): Promise<GateProcess>;
  remove(): Promise<void>;
}

export function makeStateFolder(): StateFolder {
  const path = mkdtempSync(join(tmpdir(), 'sandgate-cli-'));
  let sockets = 0;
  const folder: StateFolder = {
    path,
    gates: [],
    run: (args, options) => sandgate([...args, '--state-dir', path], options),
    ask: (args, input, env) => sandgateInside([...args, '--state-dir', path], { input, env }),
    async json(args, input, env) {
      const { code, stdout, stderr } = await folder.ask([...args, '--json'], input, env);
      if (code !== 0) throw new Error(`sandgate ${args.join(' ')}: ${stderr}`);
      return JSON.parse(stdout);
    },
    async startGate(flags = {}) {
      const socket = join(path, 'check', `gate-${sockets++}.sock`);
      const gate = await startGateProcess({ stateDir: path, socket, ownListeners: '', flags });
      folder.gates.push(gate);
      return gate;
    },
    async remove() {
      await Promise.all(folder.gates.map((gate) => gate.end()));
      rmSync(path, { recursive: true, force: true });
    },
  };
  return folder;
}
