import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable, Writable } from 'node:stream';
import { run } from '../../src/cli/program.ts';
import { type Ran, type RunOptions, sandgate } from '../stack/command.ts';
import { type GateProcess, type GateProcessOptions, startGateProcess } from '../stack/gate-process.ts';

/** A state folder, commands that are run on it as processes of their own, and the gates that live there. */
export interface StateFolder {
  path: string;
  gates: GateProcess[];
  run(args: readonly string[], options?: RunOptions): Promise<Ran>;
  /** The same inside this process: for the many ways to ask wrongly. */
  ask(args: readonly string[], input?: string): Promise<Omit<Ran, 'signal'>>;
  /** Of a command that must succeed with `--json`. */
  json<T = Record<string, unknown>>(args: readonly string[], options?: RunOptions): Promise<T>;
  startGate(flags?: GateProcessOptions['flags']): Promise<GateProcess>;
  remove(): Promise<void>;
}

export function makeStateFolder(): StateFolder {
  const path = mkdtempSync(join(tmpdir(), 'sandgate-cli-'));
  const folder: StateFolder = {
    path,
    gates: [],
    run: (args, options) => sandgate([...args, '--state-dir', path], options),
    async ask(args, input = '') {
      const [stdout, stderr] = [collector(), collector()];
      const io = { stdin: Readable.from([Buffer.from(input)]), stdout, stderr };
      const code = await run([...args, '--state-dir', path], io);
      return { code, stdout: stdout.text(), stderr: stderr.text() };
    },
    async json(args, options) {
      const { code, stdout, stderr } = await folder.run([...args, '--json'], options);
      if (code !== 0) throw new Error(`sandgate ${args.join(' ')}: ${stderr}`);
      return JSON.parse(stdout);
    },
    async startGate(flags = {}) {
      const socket = join(path, 'check', `gate-${folder.gates.length}.sock`);
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

function collector(): Writable & { text(): string } {
  const parts: Buffer[] = [];
  const stream = new Writable({
    write(part: Buffer, _encoding, done) {
      parts.push(part);
      done();
    },
  });
  return Object.assign(stream, { text: () => Buffer.concat(parts).toString() });
}
