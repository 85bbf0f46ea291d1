import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { DECISION_FIELDS } from '../../src/observe/decision-line.ts';
import { PACKAGE_ROOT } from '../../src/package-root.ts';

it('docs/logs.md lists every field of a decision, with the meaning that the code gives it', () => {
  const page = readFileSync(`${PACKAGE_ROOT}docs/logs.md`, 'utf8');
  const rows = page.split('\n').filter((line) => line.startsWith('| `'));
  expect(rows).toEqual(
    Object.entries(DECISION_FIELDS).map(([field, meaning]) => `| \`${field}\` | ${meaning} |`),
  );
});
