import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import type { Command } from 'commander';
import { expect, it, vi } from 'vitest';
import { createProgram } from '../../src/cli/program.ts';
import { PACKAGE_ROOT } from '../../src/package-root.ts';

// The help shows the defaults of the machine that it is typed on; the page must be the same from every machine.
vi.mock('../../src/cli/surroundings.ts', () => ({
  surroundings: () => ({ baseDir: '/', ipv6Loopback: true }),
}));

const WIDTH = 100;
const NOTE = 'Generated from the help; `npm test -- -u` writes it again.';

/** What `--help` of this command prints, on a terminal of WIDTH columns without colours. */
function helpOf(command: Command): string {
  let text = '';
  command.configureOutput({
    writeOut: (part) => {
      text += part;
    },
    getOutHelpWidth: () => WIDTH,
    getOutHasColors: () => false,
  });
  command.outputHelp();
  return text.trim();
}

function* sections(command: Command, parents: readonly string[]): Iterable<string> {
  const path = [...parents, command.name()];
  yield `## ${path.join(' ')}\n\n\`\`\`\n${helpOf(command)}\n\`\`\``;
  for (const child of command.commands) yield* sections(child, path);
}

it('docs/cli.md shows the help of every command', async () => {
  const silent = { stdin: new PassThrough(), stdout: new PassThrough(), stderr: new PassThrough() };
  const intro = 'Exit codes: 0 ok, 1 failed, 2 asked wrongly. In the checkout, `npx sandgate …`.';
  const page = [`# Commands\n\n${intro} ${NOTE}`, ...sections(createProgram(silent), [])].join('\n\n');
  expect(page).not.toContain(process.cwd());
  await expect(`${page}\n`).toMatchFileSnapshot(join(PACKAGE_ROOT, 'docs', 'cli.md'));
});
