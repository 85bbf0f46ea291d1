// A stand-in for the cloud: a process of its own with sandboxes, for tests from outside (another user, kill -9). Reads and
// writes lines of JSON. Runs the build, because Node 20 does not read TypeScript.
import { tmpdir } from 'node:os';
import { dirname } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { ownCgroupRoot } from '../../../dist/local-cloud/sandbox/cgroup.js';
import { findIsolation } from '../../../dist/local-cloud/sandbox/isolation.js';
import { Sandboxes } from '../../../dist/local-cloud/sandbox/sandboxes.js';

const here = (/** @type {string} */ name) => fileURLToPath(new URL(name, import.meta.url));
const say = (/** @type {unknown} */ value) => process.stdout.write(`${JSON.stringify(value)}\n`);
const [stateDir = '', wanted] = process.argv.slice(2);
const noCgroups = { mount: '/nowhere', membership: '' };

const isolation = wanted === 'none' ? 'none' : await findIsolation(process.getuid?.() ?? -1);
const sandboxes = new Sandboxes({
  stateDir,
  isolation,
  programs: [here('.'), dirname(process.execPath)],
  graceMs: 2000,
  cgroups: wanted === 'rlimits' ? noCgroups : ownCgroupRoot(),
  searchPath: process.env.PATH ?? '',
  temporary: tmpdir(),
});
say({ isolation, recovered: await sandboxes.recover() });

/** @type {Record<string, (asked: any) => Promise<unknown>>} */
const commands = {
  async create(asked) {
    const { bridgeSocket, agentPort, pid, limitedBy } = await sandboxes.create({
      ...asked,
      commands: (inside) => ({
        bridge: [process.execPath, here('bridge.mjs'), inside.bridgeSocket],
        agent: [process.execPath, here('agent.mjs'), String(inside.agentPort)],
      }),
    });
    return { bridgeSocket, agentPort, pid, limitedBy };
  },
  pause: ({ sandboxId }) => of(sandboxId).pause(),
  resume: ({ sandboxId }) => of(sandboxId).resume(),
  end: ({ sandboxId }) => of(sandboxId).end(),
  exited: ({ sandboxId }) => of(sandboxId).exited,
};

const of = (/** @type {string} */ id) => sandboxes.get(id) ?? fail(`no sandbox ${id}`);
const fail = (/** @type {string} */ message) => {
  throw new Error(message);
};

const pending = new Set();
for await (const line of createInterface({ input: process.stdin })) {
  const { n, command, ...asked } = JSON.parse(line);
  const done = Promise.resolve()
    .then(() => commands[command]?.(asked))
    .then(
      (value) => say({ n, value: value ?? null }),
      (error) => say({ n, error: `${error.code}: ${error.message}` }),
    );
  pending.add(done);
  done.finally(() => pending.delete(done));
}
await Promise.all(pending);
await sandboxes.endAll();
