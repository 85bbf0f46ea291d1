import { readFileSync } from 'node:fs';
import { isIPv4 } from 'node:net';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { KNOWN, metricsIn } from './promql.ts';

interface Rule {
  alert: string;
  expr: string;
  labels: Record<string, string>;
  annotations: Record<string, string>;
}

const read = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');
const rules: Rule[] = parse(read('deploy/prometheus/sandgate.rules.yml')).groups.flatMap(
  ({ rules: ofGroup }: { rules: Rule[] }) => ofGroup,
);
const alerts = rules.map(({ alert }) => alert);

it.each(['deploy/prometheus/prometheus.yml', 'deploy/docker/prometheus.yml'])(
  '%s scrapes addresses, for which no name must be listed in SANDGATE_OPS_HOSTS',
  (path) => {
    const jobs: { static_configs: { targets: string[] }[] }[] = parse(read(path)).scrape_configs;
    const targets = jobs.flatMap(({ static_configs }) => static_configs.flatMap((one) => one.targets));
    expect(targets.length).toBeGreaterThan(1);
    for (const target of targets) expect(isIPv4(target.split(':')[0]!), target).toBe(true);
  },
);

describe('the alert rules', () => {
  it.each(rules)('$alert reads metrics that exist', ({ expr }) => {
    expect(metricsIn(expr)).not.toEqual([]);
    for (const name of metricsIn(expr)) expect(KNOWN).toContain(name);
  });

  it.each(rules)('$alert has a severity, a summary, a description and a runbook', (rule) => {
    expect(['page', 'ticket']).toContain(rule.labels.severity);
    expect(Object.keys(rule.annotations)).toEqual(['summary', 'description', 'runbook']);
    expect(rule.annotations.runbook).toBe(`docs/operating.md#${rule.alert.toLowerCase()}`);
  });

  it('each have a section in docs/operating.md, and each section its alert, in the same order', () => {
    const page = read('docs/operating.md');
    expect([...page.matchAll(/^### (.+)$/gm)].map(([, title]) => title)).toEqual(alerts);
  });

  it('are each proven to fire by a test of `promtool test rules`', () => {
    const tests: { promql_expr_test: { exp_samples: { labels: string }[] }[] }[] = parse(
      read('deploy/prometheus/sandgate.rules.test.yml'),
    ).tests;
    const fired = tests.flatMap(({ promql_expr_test }) =>
      promql_expr_test.flatMap(({ exp_samples }) => exp_samples.map(({ labels }) => labels)),
    );
    expect(new Set(fired)).toEqual(new Set(alerts.map((alert) => `{alertname="${alert}"}`)));
  });

  it('are loaded by the example config, which uses their job name', () => {
    const config = parse(read('deploy/prometheus/prometheus.yml'));
    expect(config.rule_files).toEqual(['sandgate.rules.yml']);
    expect(config.scrape_configs.map(({ job_name }: { job_name: string }) => job_name)).toEqual(['sandgate']);
  });
});

describe('the links of docs/operating.md', () => {
  it.each(['operating', 'running'])('lead to headings that exist (%s)', (name) => {
    const anchors = (page: string) =>
      [...read(`docs/${page}`).matchAll(/^#+ (.+)$/gm)].map(([, title]) =>
        title!
          .toLowerCase()
          .replaceAll(/[^\w -]/g, '')
          .replaceAll(' ', '-'),
      );
    for (const [, page, anchor] of read(`docs/${name}.md`).matchAll(/\]\(([a-z]+\.md)?(?:#([\w-]+))?\)/g)) {
      if (anchor !== undefined) expect(anchors(page ?? `${name}.md`)).toContain(anchor);
    }
  });
});
