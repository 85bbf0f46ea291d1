import { createHmac } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ANSWER_HEADERS, answerFor } from '../../src/decision/answer.ts';
import type { Deny } from '../../src/decision/decision.ts';
import { GRPC_STATUS } from '../../src/decision/grpc.ts';
import { ENVOY_REASONS } from '../../src/decision/reasons.ts';
import { ENVOY_REFUSALS, REFUSALS } from '../../src/decision/refusals.ts';
import { PACKAGE_ROOT } from '../../src/package-root.ts';
import { parseDomains } from '../../src/target/domains.ts';
import { resolveTarget } from '../../src/target/resolve.ts';
import type { HeaderValue, TargetError } from '../../src/target/target.ts';
import { ID, requestOf } from '../decision/request.ts';

const page = readFileSync(join(PACKAGE_ROOT, 'docs', 'contract.md'), 'utf8');
const rows = page
  .split('\n')
  .filter((line) => line.startsWith('| '))
  .map((line) =>
    line
      .slice(1, -1)
      .split(/(?<!\\)\|/)
      .map((cell) => cell.trim()),
  );

describe('docs/contract.md', () => {
  it.each(Object.keys(REFUSALS) as Deny['reason'][])('has the answer to %s, byte for byte', (reason) => {
    const deny: Deny = { kind: 'deny', reason, sandboxId: 'ID', port: 8080 };
    const { status, body } = answerFor(deny, requestOf({ path: '/init' }));
    const refusal = REFUSALS[reason];
    if ('title' in refusal) {
      const row = rows.find((cells) => cells[2] === `\`${body}\``);
      expect(row, body).toBeDefined();
      expect(row?.[1]).toMatch(new RegExp(`^${status}\\b`));
      expect(row?.[3]).toBe(refusal.title);
    } else {
      expect(page).toContain(`\`${body.trimEnd()}\``);
    }
  });

  it.each(ENVOY_REASONS)('has the answer of Envoy alone to %s, and its gRPC status', (reason) => {
    const { status, message } = ENVOY_REFUSALS[reason];
    expect(page).toContain(message);
    const own = rows.filter((cells) => cells[0]?.includes(`\`${reason}\``));
    expect(own.map((cells) => cells[1]).join(' ')).toContain(String(status));
  });

  it('has the grpc-status of every reason', () => {
    const mapped = rows.filter((cells) => cells.length === 2 && /^\d+ [A-Z_]+$/.test(cells[1]!));
    const pairs = mapped.flatMap(([reasons, code]) =>
      [...reasons!.matchAll(/`(\w+)`/g)].map(([, reason]) => [reason, Number.parseInt(code!, 10)]),
    );
    const { preflight: _preflight, ...refusals } = GRPC_STATUS;
    expect(Object.fromEntries(pairs)).toEqual(refusals);
  });

  it('has the headers of every answer', () => {
    for (const [name, value] of ANSWER_HEADERS) {
      expect(rows.find((cells) => cells[0] === `\`${name}\``)?.[1]).toBe(`\`${value}\``);
    }
  });

  it('has tokens that follow from their seeds', () => {
    const tokens = rows.filter((cells) => /^`[0-9a-f]{64}`$/.test(cells[2] ?? ''));
    expect(tokens).toHaveLength(2);
    for (const [seed = '', id = '', token] of tokens.map((cells) => cells.map((cell) => cell.slice(1, -1)))) {
      expect(createHmac('sha256', seed).update(`sandbox-traffic-${id}`).digest('hex')).toBe(token);
    }
  });

  const RESULTS: Record<string, TargetError> = {
    'invalid host': 'invalid_host',
    'invalid port': 'invalid_sandbox_port',
    'invalid sandbox id': 'invalid_sandbox_id',
    'missing header': 'missing_header',
  };
  const targets = rows.filter((cells) => cells.length === 3 && cells[2]! in RESULTS);

  it('has targets that are errors', () => expect(targets.length).toBeGreaterThan(6));

  it.each(targets)('resolves %s with %s to: %s', (hosts, headers, result) => {
    const [, id, port] = /^`([^`]+)` \/ `([^`]+)`$/.exec(headers!) ?? [];
    const header = (value?: string): HeaderValue =>
      value === undefined ? { kind: 'absent' } : { kind: 'one', value };
    const rules = { domains: parseDomains(['*']), headerRouting: true };
    const pairs =
      headers === 'only one of the two'
        ? [
            [ID, undefined],
            [undefined, '8080'],
          ]
        : [[id, port]];
    const named = [...hosts!.matchAll(/`([^`]+)`/g)].map(([, host = '']) => host);
    for (const host of named.filter((one) => !one.startsWith(':'))) {
      for (const [one, other] of pairs) {
        expect(resolveTarget(host, header(one), header(other), rules)).toEqual({
          kind: 'error',
          error: RESULTS[result!],
        });
      }
    }
  });
});
