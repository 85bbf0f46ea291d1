import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { parse, parseAllDocuments } from 'yaml';
import { sandgateInside } from '../stack/command-inside.ts';

const root = new URL('../../', import.meta.url);
const read = (path: string) => readFileSync(new URL(path, root), 'utf8');
const page = read('docs/production.md');
// biome-ignore lint/suspicious/noExplicitAny: manifests of several kinds
const manifests: any[] = [...page.matchAll(/```yaml\n([\s\S]+?)```/g)].flatMap(([, text]) =>
  parseAllDocuments(text!).map((document) => document.toJS({ maxAliasCount: 0 })),
);
const one = (kind: string) => manifests.find((manifest) => manifest.kind === kind);

it('docs/production.md shows an ingress that fails closed and checks every request', () => {
  const { envoyExtAuthzGrpc } = manifests.find(({ extensionProviders }) => extensionProviders)
    .extensionProviders[0];
  expect(envoyExtAuthzGrpc).toMatchObject({ failOpen: false, statusOnError: '503' });
  expect(one('AuthorizationPolicy').spec).toMatchObject({ action: 'CUSTOM', rules: [{}] });
  expect(one('SecurityPolicy').spec.extAuth.failOpen).toBe(false);
});

it('docs/production.md hands the gate the headers that the bundled config does', () => {
  const { listeners } = parse(read('envoy/envoy.yaml'), { maxAliasCount: -1 }).static_resources;
  const [filter] = listeners[0].filter_chains[0].filters[0].typed_config.http_filters;
  const allowed = filter.typed_config.allowed_headers.patterns.map(({ exact }: { exact: string }) => exact);
  expect(one('SecurityPolicy').spec.extAuth.headersToExtAuth).toEqual(allowed);
});

it.each(['envoy-gateway/policies', 'istio/policies', 'istio/mesh-config'])(
  'docs/production.md shows deploy/%s.yaml as it is',
  (name) => {
    expect(page).toContain(`\`\`\`yaml\n${read(`deploy/${name}.yaml`)}\`\`\``);
  },
);

it('docs/production.md names the timeouts and limits of the bundled config to a balancer', () => {
  const config = read('envoy/envoy.yaml');
  for (const [text, line] of [
    ["Envoy's is 60 s", 'idle_timeout: 60s'],
    ['after 3600 s without data', 'idle_timeout: 3600s'],
    ['100 streams on one HTTP/2 connection', 'max_concurrent_streams: 100'],
  ] as const) {
    expect(page).toContain(text);
    expect(config).toContain(line);
  }
});

it('docs/production.md shows the command that writes the Envoy config of deploy/kubernetes', async () => {
  const [, command = ''] = /`sandgate (envoy config --out deploy\/kubernetes [^`]+)`/.exec(page) ?? [];
  const out = mkdtempSync(join(tmpdir(), 'sandgate-out-'));
  try {
    const args = command.split(' ').map((arg) => (arg === 'deploy/kubernetes' ? out : arg));
    expect(await sandgateInside(args)).toMatchObject({ code: 0 });
    expect(readdirSync(out).sort()).toEqual(['envoy.yaml', 'sds-ingress.yaml']);
    for (const name of readdirSync(out))
      expect(readFileSync(join(out, name), 'utf8')).toBe(read(`deploy/kubernetes/${name}`));
  } finally {
    rmSync(out, { recursive: true });
  }
});

it.each(['production', 'compose'])('the files that docs/%s.md links to exist', (name) => {
  const links = [...read(`docs/${name}.md`).matchAll(/\]\((?!https:)([^)#]+)/g)].map(([, path]) => path!);
  expect(links.length).toBeGreaterThan(0);
  // Written by the benchmarks.
  const there = links.filter((path) => path !== 'performance.md');
  for (const path of there) expect(existsSync(new URL(`docs/${path}`, root)), path).toBe(true);
});
