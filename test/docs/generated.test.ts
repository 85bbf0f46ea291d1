import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { DETAILS, REASONS } from '../../src/decision/reasons.ts';
import { ERROR_CODES } from '../../src/errors.ts';
import {
  ENVOY_METRICS,
  FLEET_METRICS,
  METRICS,
  type MetricRow,
  PROCESS_METRICS,
} from '../../src/observe/metric-catalogue.ts';
import { PACKAGE_ROOT } from '../../src/package-root.ts';
import { fallbackOf, SECRETS, SETTINGS } from '../../src/settings.ts';

/** Absolute, because vitest resolves relative paths wrongly if the checkout's path contains a space. */
const pageFile = (name: string) => join(PACKAGE_ROOT, 'docs', name);

const NOTE = 'Generated from the code; `npm test -- -u` regenerates it.';
const table = (head: string[], rows: string[][]) =>
  [head, head.map(() => '---'), ...rows]
    .map((cells) => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`)
    .join('\n');

describe('the generated pages of docs/', () => {
  it('list every reason code', async () => {
    const rows = Object.entries(REASONS).map(([code, meaning]) => [`\`${code}\``, meaning]);
    const intro =
      'The values of the header `x-sandgate-reason`, which every answer has that does not come from the sandbox.';
    const details = Object.entries(DETAILS).map(([code, meaning]) => [`\`${code}\``, meaning]);
    const finer =
      'Only in the [decision log](logs.md), as `detail`, because clients must not learn it. For `unavailable` the detail is an [error code](errors.md).';
    await expect(
      `# Reason codes\n\n${intro} ${NOTE}\n\n${table(['code', 'meaning'], rows)}\n\n## Details\n\n${finer}\n\n${table(['detail', 'meaning'], details)}\n`,
    ).toMatchFileSnapshot(pageFile('reasons.md'));
  });

  it('list every error code', async () => {
    const rows = Object.entries(ERROR_CODES).map(([code, meaning]) => [`\`${code}\``, meaning]);
    const intro =
      "Shown in brackets after a command's message, as `error.code` with `--json`, and as `code` in the log.";
    await expect(
      `# Error codes\n\n${intro} ${NOTE}\n\n${table(['code', 'meaning'], rows)}\n`,
    ).toMatchFileSnapshot(pageFile('errors.md'));
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
    const intro = 'A flag takes precedence over the environment variable. Defaults are those of `dev`.';
    const head = ['environment', 'flag', 'default', 'commands', 'meaning'];
    await expect(`# Settings\n\n${intro} ${NOTE}\n\n${table(head, rows)}\n`).toMatchFileSnapshot(
      pageFile('settings.md'),
    );
  });

  it('list every metric', async () => {
    const rowOf = ({ name, type, labels, help, across = 'sum' }: MetricRow) => [
      `\`${name}\``,
      type,
      Object.entries(labels)
        .map(([label, values]) => `\`${label}\`: ${values}`)
        .join('; '),
      help,
      across,
    ];
    const rows = Object.values(METRICS).map(rowOf);
    const fleetRows = Object.values(FLEET_METRICS).map((row) => rowOf(row).slice(0, 4));
    const foreign = { ...PROCESS_METRICS, ...ENVOY_METRICS };
    const foreignRows = Object.entries(foreign).map(([name, meaning]) => [`\`${name}\``, meaning]);
    const text = [
      '# Metrics',
      `\`/metrics\` of the ops listener (\`SANDGATE_OPS\`), in Prometheus' text format. Units are base units; a histogram has \`_bucket\`, \`_sum\` and \`_count\`. No label contains a sandbox id, a token or other data of a request. What to watch, and what to do: [operating.md](operating.md). ${NOTE}`,
      table(['metric', 'type', 'labels', 'meaning', 'across processes'], rows),
      '## With several processes\n\nWith `--processes` above 1 there is one `/metrics` for all processes. It contains the metrics above, merged as the last column says (counters do not fall when a process restarts), the metrics of each Node process with a label `process`, and these of the supervisor.',
      table(['metric', 'type', 'labels', 'meaning'], fleetRows),
      '## Metrics of the process and of Envoy\n\nThese are the ones that the alert rules and the dashboard use. Every Node process exports the first ones, and more; Envoy exports its own.',
      table(['metric', 'meaning'], foreignRows),
    ].join('\n\n');
    await expect(`${text}\n`).toMatchFileSnapshot(pageFile('metrics.md'));
  });
});
