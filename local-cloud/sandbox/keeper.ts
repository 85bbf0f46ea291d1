import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { SandgateError } from '#src/errors.js';
import { openLog } from '#src/folder.js';
import { PACKAGE_ROOT } from '#src/package-root.js';
import { identify, type ProcessIdentity } from '#src/state/process-identity.js';
import type { SandboxFolder } from './folder.ts';
import { type Isolation, unshareFor } from './isolation.ts';
import { onlyChild } from './processes.ts';
import type { SandboxCommands } from './sandbox.ts';

/** The shell that runs a sandbox; it does nothing until the first command. */
export interface Keeper {
  keeper: ProcessIdentity;
  init: ProcessIdentity;
  protocol: InitProtocol;
  exited: Promise<number | null>;
}

export interface KeeperOptions {
  isolation: Isolation;
  folder: SandboxFolder;
  uidBase: number | undefined;
  commands: SandboxCommands;
  env: Readonly<Record<string, string>>;
  input: string;
  /** Host paths to show read-only at the same path, and folders to hide wherever they would appear. */
  visible: readonly string[];
  hidden: readonly string[];
  /** Empty for a limit that a cgroup enforces. */
  rlimits: { processes: string; dataKib: string };
  searchPath: string;
}

const SCRIPTS = join(PACKAGE_ROOT, 'local-cloud', 'sandbox');

export async function startKeeper(options: KeeperOptions): Promise<Keeper> {
  const child = spawnShell(options);
  const exited = new Promise<number | null>((resolve) => {
    child.once('exit', (code) => resolve(code));
    child.once('error', () => resolve(null));
  });
  const protocol = new InitProtocol(child.stdin!, child.stdout!);
  feed(child.stdio[3] as Writable, environmentOf(options.env));
  feed(child.stdio[4] as Writable, options.input);
  const keeper = child.pid === undefined ? undefined : identify(child.pid);
  const init = options.isolation === 'none' || !keeper ? keeper : await onlyChild(keeper.pid);
  if (keeper === undefined || init === undefined) {
    throw new SandgateError('SANDBOX_FAILED', 'cannot start the shell of a sandbox', {
      remedy: 'check whether this machine is out of processes or memory',
    });
  }
  return { keeper, init, protocol, exited };
}

function spawnShell(options: KeeperOptions): ChildProcess {
  const { isolation, folder, commands, rlimits } = options;
  const bridge = commands.bridge ?? [];
  const shell = ['/bin/bash', join(SCRIPTS, isolation === 'none' ? 'shared.sh' : 'init.sh')];
  const [program = '', ...args] = [
    ...(isolation === 'none' ? [] : unshareFor(isolation)),
    ...shell,
    String(bridge.length),
    ...bridge,
    ...commands.agent,
  ];
  const log = openLog(folder.log);
  try {
    return spawn(program, args, {
      // A process group of its own: Ctrl-C in the terminal reaches only the host, which then ends its sandboxes in order.
      detached: true,
      cwd: '/',
      env: {
        PATH: options.searchPath,
        LANG: 'C.UTF-8',
        SANDBOX_ISOLATION: isolation,
        SANDBOX_FOLDER: folder.path,
        SANDBOX_SOCKETS: folder.sockets,
        SANDBOX_IMAGE: join(SCRIPTS, 'image'),
        SANDBOX_VISIBLE: options.visible.join('\n'),
        SANDBOX_HIDDEN: options.hidden.join('\n'),
        SANDBOX_UID_BASE: String(options.uidBase ?? ''),
        SANDBOX_PROCESSES: rlimits.processes,
        SANDBOX_DATA_KIB: rlimits.dataKib,
      },
      stdio: ['pipe', 'pipe', log, 'pipe', 'pipe'],
    });
  } finally {
    closeSync(log);
  }
}

/** Each pair ends with a zero byte, which neither a name nor a value can contain. */
function environmentOf(env: Readonly<Record<string, string>>): string {
  return Object.entries(env)
    .filter(([name, value]) => /^[A-Za-z_]\w*$/.test(name) && !value.includes('\0'))
    .map(([name, value]) => `${name}=${value}\0`)
    .join('');
}

function feed(pipe: Writable, text: string): void {
  // A sandbox that fails before it reads this reports the failure over the protocol.
  pipe.on('error', () => {});
  pipe.end(text);
}

/** Commands to PID 1 of a sandbox and its replies: one per line, in order. */
class InitProtocol {
  readonly #stdin: Writable;
  readonly #waiting: ((line: string | undefined) => void)[] = [];
  readonly #received: string[] = [];
  #closed = false;

  constructor(stdin: Writable, stdout: Readable) {
    this.#stdin = stdin;
    // It may end while we write; `receive` then returns undefined.
    stdin.on('error', () => {});
    const lines = createInterface({ input: stdout });
    lines.on('line', (line) => {
      const next = this.#waiting.shift();
      if (next) next(line);
      else this.#received.push(line);
    });
    lines.on('close', () => {
      this.#closed = true;
      for (const next of this.#waiting.splice(0)) next(undefined);
    });
  }

  send(command: 'go' | 'pause' | 'resume' | 'end'): void {
    this.#stdin.write(`${command}\n`);
  }

  /** The next line; undefined once PID 1 has ended. */
  receive(): Promise<string | undefined> {
    const line = this.#received.shift();
    if (line !== undefined || this.#closed) return Promise.resolve(line);
    return new Promise((resolve) => this.#waiting.push(resolve));
  }
}
