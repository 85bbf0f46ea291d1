import { describe, expect, it } from 'vitest';
import { REASONS } from '../../src/decision/reasons.ts';
import { ERROR_CODES } from '../../src/errors.ts';
import { fallbackOf, SECRETS, SETTINGS } from '../../src/settings.ts';

const NOTE = 'Generated from the code; `npm test -- -u` writes it again.';
const table = (head: string[], rows: string[][]) =>
  [head, head.map(() => '---'), ...rows]
    .map((cells) => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`)
    .join('\n');

describe('the generated pages of docs/', () => {
  it('list every reason code', async () => {
    const rows = Object.entries(REASONS).map(([code, meaning]) => [`\`${code}\``, meaning]);
    const intro = "The header `x-sandgate-reason` on every answer that is not the sandbox's own.";
    await expect(
      `# Reason codes\n\n${intro} ${NOTE}\n\n${table(['code', 'meaning'], rows)}\n`,
    ).toMatchFileSnapshot('../../docs/reasons.md');
  });

  it('list every error code', async () => {
    const rows = Object.entries(ERROR_CODES).map(([code, meaning]) => [`\`${code}\``, meaning]);
    const intro =
      "In brackets behind a command's message, as `error.code` with `--json`, and as `code` in the log.";
    await expect(
      `# Error codes\n\n${intro} ${NOTE}\n\n${table(['code', 'meaning'], rows)}\n`,
    ).toMatchFileSnapshot('../../docs/errors.md');
  });

  it('list every setting', async () => {
    const rows = SETTINGS.map((setting) => [
      `\`${setting.env}\``,
      `\`${setting.flag}\``,
      `\`${fallbackOf(setting, 'dev', { baseDir: '/', ipv6Loopback: true }) || '(none)'}\``,
      setting.commands.join(', '),
      setting.meaning,
    ]);
    const secrets = SECRETS.map(({ env, commands, meaning }) => [
      `\`${env}\``,
      '(none: a secret)',
      '`(none)`',
      commands.join(', '),
      meaning,
    ]);
    rows.push(...secrets);
    const intro = 'A flag wins over the environment. Defaults are those of `dev`.';
    const head = ['environment', 'flag', 'default', 'commands', 'meaning'];
    await expect(`# Settings\n\n${intro} ${NOTE}\n\n${table(head, rows)}\n`).toMatchFileSnapshot(
      '../../docs/settings.md',
    );
  });
});
