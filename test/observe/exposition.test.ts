import { Gauge, Histogram, Registry } from 'prom-client';
import { describe, expect, it } from 'vitest';
import type { Decision } from '../../src/decision/decision.ts';
import { ENVOY_REASONS, REASONS, type Reason } from '../../src/decision/reasons.ts';
import { createExposition, exposeSamples, type GateState, samplesOf } from '../../src/observe/exposition.ts';
import { GateMetrics } from '../../src/observe/gate-metrics.ts';
import { METRICS, PROCESS_METRICS } from '../../src/observe/metric-catalogue.ts';
import { decided } from '../decision/decided.ts';
import { NOW, policyOf } from '../decision/request.ts';
import { seriesOf } from './scrape.ts';

let now = 1000;
const STATE: GateState = {
  cache: {
    size: () => ({ policies: 3, negative: 2 }),
    loadsInFlight: () => 1,
    stalenessBoundMs: () => 30_000,
    appliedPosition: () => ({ epoch: '00f1', sequence: 12 }),
  },
  store: { kind: 'embedded', fault: () => undefined, unusable: () => undefined },
  ready: true,
  draining: false,
  version: '1.2.3',
  node: '20.20.2',
};

function exposed(state: Partial<GateState> = {}) {
  const metrics = new GateMetrics(() => now);
  const exposition = createExposition(metrics, () => ({ ...STATE, ...state }));
  return { metrics, exposition, series: async () => seriesOf(await exposition.text()) };
}

const allow = (by: 'public' | 'agent'): Decision => ({
  kind: 'allow',
  sandboxId: 'a',
  port: 80,
  targetFrom: 'host',
  grant: { by },
  policy: policyOf(),
  destination: undefined,
  upstreamHost: undefined,
  streamMs: undefined,
});

describe('the exposition', () => {
  it('has every metric of the catalogue with its help and type, and no other sandgate metric', async () => {
    const text = await exposed().exposition.text();
    for (const { name, help, type } of Object.values(METRICS)) {
      expect(text).toContain(`# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${name}`);
    }
    const ours = [...text.matchAll(/^# TYPE (sandgate_\S+)/gm)].map(([, name]) => name);
    expect(ours.sort()).toEqual(
      Object.values(METRICS)
        .map(({ name }) => name)
        .sort(),
    );
    const ofTheProcess = process.platform === 'linux' ? Object.keys(PROCESS_METRICS) : [];
    for (const name of ofTheProcess) expect(text).toContain(`# TYPE ${name} `);
  });

  it('uses the labels that the catalogue names, and no others', async () => {
    const series = await exposed().series();
    for (const { name, labels } of Object.values(METRICS)) {
      for (const one of [...series.keys()].filter((key) => key.startsWith(`${name}{`))) {
        const used = [...one.matchAll(/(\w+)="/g)].map(([, label]) => label);
        expect(used).toEqual(Object.keys(labels));
      }
    }
  });

  it('counts decisions by outcome and reason, with their durations', async () => {
    const { metrics, series } = exposed();
    metrics.decided(allow('public'), 30_000);
    metrics.decided(allow('public'), 2_000_000);
    metrics.decided(allow('agent'), 30_000);
    metrics.decided({ kind: 'preflight' }, 30_000);
    metrics.decided({ kind: 'deny', reason: 'token_invalid', detail: 'expired' }, 30_000);
    const seen = await series();
    expect(seen.get('sandgate_decisions_total{outcome="allow",reason="public"}')).toBe(2);
    expect(seen.get('sandgate_decisions_total{outcome="allow",reason="agent"}')).toBe(1);
    expect(seen.get('sandgate_decisions_total{outcome="allow",reason="token"}')).toBe(0);
    expect(seen.get('sandgate_decisions_total{outcome="preflight",reason="preflight"}')).toBe(1);
    expect(seen.get('sandgate_decisions_total{outcome="deny",reason="token_invalid"}')).toBe(1);
    expect(seen.get('sandgate_check_duration_seconds_bucket{le="0.00005"}')).toBe(4);
    expect(seen.get('sandgate_check_duration_seconds_bucket{le="0.001"}')).toBe(4);
    expect(seen.get('sandgate_check_duration_seconds_bucket{le="0.0025"}')).toBe(5);
    expect(seen.get('sandgate_check_duration_seconds_count')).toBe(5);
  });

  it('has a series for every reason from the start', async () => {
    const series = await exposed().series();
    const gates = (Object.keys(REASONS) as Reason[]).filter(
      (reason) => !(ENVOY_REASONS as readonly Reason[]).includes(reason),
    );
    for (const reason of gates) {
      const outcome = reason === 'preflight' ? 'preflight' : 'deny';
      expect(series.get(`sandgate_decisions_total{outcome="${outcome}",reason="${reason}"}`)).toBe(0);
    }
  });

  it('counts 503 answers by error code', async () => {
    const { metrics, series } = exposed();
    metrics.decided({ kind: 'deny', reason: 'unavailable', detail: 'POLICY_UNREADABLE' }, 1);
    metrics.decided({ kind: 'deny', reason: 'unavailable' }, 1);
    const seen = await series();
    expect(seen.get('sandgate_unavailable_total{code="POLICY_UNREADABLE"}')).toBe(1);
    expect(seen.get('sandgate_unavailable_total{code="INTERNAL"}')).toBe(1);
  });

  it('shows the time since the last contact with the store, which a failed read does not reset', async () => {
    const { metrics, series } = exposed();
    const age = async () => (await series()).get('sandgate_store_contact_age_seconds');
    now += 4000;
    metrics.storeRead(2, 'STORE_UNAVAILABLE');
    expect(await age()).toBe(4);
    metrics.storeRead(2, 'POLICY_UNREADABLE');
    expect(await age()).toBe(0);
    now += 1500;
    expect(await age()).toBe(1.5);
    expect((await series()).get('sandgate_store_read_errors_total{code="STORE_UNAVAILABLE"}')).toBe(1);
  });

  it('shows the state of the gate at the time of the scrape', async () => {
    const store = { kind: 'files', fault: () => 'the folder is gone', unusable: () => undefined };
    const seen = await exposed({ store, ready: false, draining: true }).series();
    expect(seen.get('sandgate_store_up{store="files"}')).toBe(0);
    expect(seen.get('sandgate_ready')).toBe(0);
    expect(seen.get('sandgate_draining')).toBe(1);
    expect(seen.get('sandgate_policy_sequence{epoch="00f1"}')).toBe(12);
    expect(seen.get('sandgate_staleness_bound_seconds')).toBe(30);
    expect(seen.get('sandgate_cache_entries{kind="policy"}')).toBe(3);
    expect(seen.get('sandgate_cache_entries{kind="negative"}')).toBe(2);
    expect(seen.get('sandgate_build_info{version="1.2.3",node="20.20.2"}')).toBe(1);
  });

  it("writes the text that prom-client writes, prom-client's own metrics included", async () => {
    const registry = new Registry();
    const histogram = new Histogram({
      name: 'h',
      help: 'Two\nlines and a \\.',
      labelNames: ['a'],
      buckets: [0.5, 1],
      registers: [registry],
    });
    histogram.observe({ a: 'quote " backslash \\ line\n' }, 0.7);
    const gauge = new Gauge({ name: 'g', help: 'A gauge.', registers: [registry] });
    gauge.set(Number.NEGATIVE_INFINITY);
    const text = exposeSamples(async () => samplesOf(registry)).text();
    expect(await text).toBe(await registry.metrics());
  });

  it('counts what shadow mode allows and what the decision log drops', async () => {
    const { metrics, series } = exposed();
    const shadow = { from: NOW, until: NOW + 1 };
    metrics.decided(decided({ policy: { shadow }, context: { allowShadow: true } }), 1000);
    metrics.decisionLogDropped(40);
    const seen = await series();
    expect(seen.get('sandgate_shadow_allows_total{reason="token_missing"}')).toBe(1);
    expect(seen.get('sandgate_decision_log_dropped_total')).toBe(40);
    expect(seen.get('sandgate_decisions_total{outcome="allow",reason="shadow"}')).toBe(1);
  });
});
