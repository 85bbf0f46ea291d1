import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { cgroupName, makeCgroup } from '../../../local-cloud/sandbox/cgroup.ts';

const limits = { memoryMiB: 64, processes: 32 };
const rlimits = { memory: 'rlimit', processes: 'rlimit' };

function folder(): string {
  const made = mkdtempSync(join(tmpdir(), 'sandgate-test-'));
  onTestFinished(() => rmSync(made, { recursive: true }));
  return made;
}

it('does not mistake a plain folder for a cgroup, whose limits would not be enforced', () => {
  const mount = folder();
  writeFileSync(join(mount, 'cgroup.controllers'), 'memory pids');
  expect(makeCgroup('x', limits, { mount, membership: '0::/\n' })).toEqual({
    folders: [],
    limitedBy: rlimits,
  });
  expect(readdirSync(mount)).toEqual(['cgroup.controllers']);
});

it('uses rlimits if there are no cgroups, or none that it may divide', () => {
  const mount = folder();
  mkdirSync(join(mount, 'memory'));
  expect(makeCgroup('x', limits, { mount: '/nowhere', membership: '' }).limitedBy).toEqual(rlimits);
  expect(makeCgroup('x', limits, { mount, membership: '4:memory:/a\n8:pids:/\n' }).limitedBy).toEqual(
    rlimits,
  );
});

it('names the cgroups of two clouds differently', () => {
  expect(cgroupName('/a', 'x')).not.toBe(cgroupName('/b', 'x'));
});
