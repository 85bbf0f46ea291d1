import { once } from 'node:events';
import { readFileSync, realpathSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { SandgateError } from '#src/errors.js';
import { AGENT_PORT } from '#src/target/target.js';
import { startWith, Teardown } from '#src/teardown.js';
import { type CgroupRoot, cgroupName, joinCgroup, makeCgroup, removeCgroups } from './cgroup.ts';
import { makeFolder, removeFolder, type SandboxFolder } from './folder.ts';
import type { Isolation } from './isolation.ts';
import { type Keeper, startKeeper } from './keeper.ts';
import { killAndWait } from './processes.ts';
import { folderNames, readRecord, writeRecord } from './record.ts';
import { RunningSandbox } from './running-sandbox.ts';
import { DEFAULT_LIMITS, type Inside, type Limits, type Sandbox, type SandboxRequest } from './sandbox.ts';

export interface SandboxesOptions {
  /** Hidden from every sandbox. The folders of sandboxes are in `<stateDir>/sandboxes`. */
  stateDir: string;
  isolation: Isolation;
  /** Files and folders that agent and bridge need in addition to the system's folders; shown read-only. */
  programs: readonly string[];
  /** Time between SIGTERM to the agent and SIGKILL to all processes. */
  graceMs: number;
  cgroups: CgroupRoot;
  /** PATH with `unshare` and `mount`. */
  searchPath: string;
  /** The system's temporary folder, for sockets whose path would otherwise be too long. */
  temporary: string;
}

/**
 * The sandboxes of this machine. For development only: they cannot see or disturb each other by accident or by ordinary
 * means, but they share the kernel, the disk and the processors. Not a security boundary for hostile code.
 */
export class Sandboxes {
  readonly #options: SandboxesOptions;
  readonly #running = new Map<string, Sandbox>();
  readonly #users: UserRanges | undefined;

  constructor(options: SandboxesOptions) {
    this.#options = options;
    this.#users = options.isolation === 'root' ? new UserRanges() : undefined;
  }

  /** Ends what a killed predecessor left in this state folder; returns the ids. Call before `create`. */
  recover(): Promise<string[]> {
    return endLeftovers(this.#folder);
  }

  get(sandboxId: string): Sandbox | undefined {
    return this.#running.get(sandboxId);
  }

  /** Resolves once the bridge listens and the agent was started. Throws SANDBOX_FAILED, STATE_UNUSABLE. */
  async create(request: SandboxRequest): Promise<Sandbox> {
    const { sandboxId } = request;
    if (!/^[a-z0-9]{1,63}$/.test(sandboxId)) {
      throw new SandgateError('INPUT_INVALID', 'a sandbox id must be 1 to 63 characters of a-z and 0-9', {
        field: 'sandboxId',
      });
    }
    const users = this.#users?.take();
    const teardown = new Teardown();
    teardown.add('the user range', () => this.#users?.give(users));
    return startWith(teardown, async () => {
      const folder = makeFolder(join(this.#folder, sandboxId), users, this.#options.temporary);
      teardown.add('the folder', () => removeFolder(folder.path, folder.sockets));
      return this.#start(request, folder, users, teardown);
    });
  }

  /** Ends every sandbox. */
  async endAll(): Promise<void> {
    await Promise.all([...this.#running.values()].map((sandbox) => sandbox.end()));
  }

  async #start(
    request: SandboxRequest,
    folder: SandboxFolder,
    users: number | undefined,
    teardown: Teardown,
  ): Promise<Sandbox> {
    const { sandboxId } = request;
    const { isolation, graceMs } = this.#options;
    const grouped = isolation === 'none';
    const limits: Limits = { ...DEFAULT_LIMITS, ...request.limits };
    const cgroup = makeCgroup(cgroupName(this.#options.stateDir, sandboxId), limits, this.#options.cgroups);
    teardown.add('the cgroup', () => removeCgroups(cgroup.folders));
    const inside = grouped
      ? { ...folder, bridgeSocket: folder.bridgeSocket, agentPort: await freePort(), root: folder.path }
      : INSIDE;
    const byRlimit = (kind: 'memory' | 'processes', value: number) =>
      cgroup.limitedBy[kind] === 'rlimit' && !grouped ? String(value) : '';
    const keeper = await startKeeper({
      isolation,
      folder,
      uidBase: users,
      commands: request.commands(inside),
      env: request.env ?? {},
      input: request.input ?? '',
      visible: this.#options.programs,
      hidden: [realpathSync(this.#options.stateDir)],
      rlimits: {
        processes: byRlimit('processes', limits.processes),
        dataKib: byRlimit('memory', limits.memoryMiB * 1024),
      },
      searchPath: this.#options.searchPath,
    });
    teardown.add('the processes', async () => {
      await killAndWait(keeper.init, grouped);
      // The parent of PID 1 holds the sandbox's mounts until it has seen it end.
      await keeper.exited;
    });
    writeRecord(folder.path, {
      isolation,
      keeper: keeper.keeper,
      init: keeper.init,
      cgroups: cgroup.folders,
      sockets: folder.sockets,
      uidBase: users,
    });
    joinCgroup(cgroup, keeper.init.pid);
    await ready(keeper, folder);
    const sandbox = new RunningSandbox({
      sandboxId,
      bridgeSocket: folder.bridgeSocket,
      agentPort: inside.agentPort,
      limitedBy: cgroup.limitedBy,
      keeper,
      grouped,
      graceMs,
      clear: async () => {
        await teardown.run();
        this.#running.delete(sandboxId);
      },
    });
    this.#running.set(sandboxId, sandbox);
    return sandbox;
  }

  get #folder(): string {
    return join(this.#options.stateDir, 'sandboxes');
  }
}

const INSIDE: Inside = {
  bridgeSocket: '/run/bridge/bridge.sock',
  agentPort: AGENT_PORT,
  root: '/',
  home: '/home/user',
};

async function ready(keeper: Keeper, folder: SandboxFolder): Promise<void> {
  keeper.protocol.send('go');
  const reply = await keeper.protocol.receive();
  if (reply === 'ready') return;
  // The log is removed with the folder, so its last line goes into the error.
  const last = readFileSync(folder.log, 'utf8').trim().split('\n').at(-1);
  const why = [reply ?? 'it ended', last].filter(Boolean).join(': ');
  throw new SandgateError('SANDBOX_FAILED', `the sandbox did not start: ${why}`);
}

/**
 * Ends what a killed host left in `sandboxes`, by pid and start time, and removes it. Mounts disappear with the last
 * process of their namespace. Returns the ids. Only for a folder that no live host uses.
 */
async function endLeftovers(sandboxes: string): Promise<string[]> {
  const names = folderNames(sandboxes);
  for (const name of names) {
    const folder = join(sandboxes, name);
    const record = readRecord(folder);
    if (record !== undefined) {
      await killAndWait(record.init, record.isolation === 'none');
      await killAndWait(record.keeper, false);
      await removeCgroups(record.cgroups);
    }
    await removeFolder(folder, record?.sockets);
  }
  return names;
}

/** Above the subordinate ids of distributions and the ranges that systemd-nspawn picks, below 2^31. */
const FIRST_ID = 0x7000_0000;
const RANGE_SIZE = 65_536;
const MAX_RANGES = 4096;

/** Ranges of user and group ids: each sandbox that exists has one, so no other sandbox can own its processes and files. */
class UserRanges {
  readonly #taken = new Set<number>();

  /** The first id of a free range. */
  take(): number {
    for (let n = 0; n < MAX_RANGES; n++) {
      const base = FIRST_ID + n * RANGE_SIZE;
      if (this.#taken.has(base)) continue;
      this.#taken.add(base);
      return base;
    }
    throw new SandgateError('SANDBOX_FAILED', `no more than ${MAX_RANGES} sandboxes can run at once`, {
      remedy: 'end some of them',
    });
  }

  give(base: number | undefined): void {
    if (base !== undefined) this.#taken.delete(base);
  }
}

/** A port of 127.0.0.1 that is free at the moment. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
