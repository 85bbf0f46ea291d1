import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { type Command, Help, type Option } from 'commander';
import { expect, it, vi } from 'vitest';
import { createProgram } from '../../src/cli/program.ts';
import { SETTINGS_HEADING } from '../../src/cli/setting-options.ts';
import { PACKAGE_ROOT } from '../../src/package-root.ts';

// The help shows the defaults of the machine that it is typed on; the page must be the same from every machine.
vi.mock('../../src/cli/host-environment.ts', () => ({
  hostEnvironment: () => ({ baseDir: '/', ipv6Loopback: true }),
}));

const WIDTH = 100;
const NOTE = 'Generated from the help; `npm test -- -u` writes it again.';

/** The output of `--help` on a terminal of WIDTH columns without colors, less the settings that commands share. */
function helpOf(command: Command): string {
  let text = '';
  command.configureOutput({
    writeOut: (part) => {
      text += part;
    },
    getOutHelpWidth: () => WIDTH,
    getOutHasColors: () => false,
  });
  command.createHelp = () => new OwnOptions();
  command.outputHelp();
  return text.trim();
}

class OwnOptions extends Help {
  override visibleOptions(command: Command): Option[] {
    return super
      .visibleOptions(command)
      .filter(({ helpGroupHeading }) => helpGroupHeading !== SETTINGS_HEADING);
  }
}

/** The names of those settings. */
function settingsOf(command: Command): string {
  const settings = command.options.filter(({ helpGroupHeading }) => helpGroupHeading === SETTINGS_HEADING);
  if (settings.length === 0) return '';
  return `\n\n[Settings](settings.md): ${settings.map(({ long }) => `\`${long}\``).join(', ')}.`;
}

function* sections(command: Command, parents: readonly string[]): Iterable<string> {
  const path = [...parents, command.name()];
  yield `## ${path.join(' ')}\n\n\`\`\`\n${helpOf(command)}\n\`\`\`${settingsOf(command)}`;
  for (const child of command.commands) yield* sections(child, path);
}

it('docs/cli.md shows the help of every command, with a link to the settings that it shares', async () => {
  const silent = { stdin: new PassThrough(), stdout: new PassThrough(), stderr: new PassThrough() };
  const intro =
    'Exit codes: 0 ok, 1 failed, 2 usage or settings error. In the checkout, run `npx sandgate …`.';
  const page = [`# Commands\n\n${intro} ${NOTE}`, ...sections(createProgram(silent), [])].join('\n\n');
  expect(page).not.toContain(process.cwd());
  await expect(`${page}\n`).toMatchFileSnapshot(join(PACKAGE_ROOT, 'docs', 'cli.md'));
});
