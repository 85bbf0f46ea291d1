// All published benchmarks, one after the other; takes about 25 minutes on an idle machine.
// usage: npm run bench -- all [--quick]; with --quick nothing is published
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { root } from '../stack/workspace.mjs';

const { values } = parseArgs({ options: { quick: { type: 'boolean', default: false } } });
const how = values.quick ? '--quick' : '--publish';
for (const script of ['run', 'envoy', 'scale', 'load']) {
  console.error(`== bench/commands/${script}.mjs ${how}`);
  const { status } = spawnSync(process.execPath, [join(root, 'bench', 'commands', `${script}.mjs`), how], {
    stdio: 'inherit',
  });
  if (status !== 0) process.exitCode = 1;
}
