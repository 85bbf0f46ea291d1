import { expect, test } from 'vitest';
import { closedPortPage, invalidTokenPage } from '../../src/decision/pages.ts';

const ID = '%DYNAMIC_METADATA(envoy.filters.http.ext_authz:sandbox_id)%';
const PORT = '%DYNAMIC_METADATA(envoy.filters.http.ext_authz:port)%';

test("Envoy's copies have its placeholders unchanged, and no other percent sign", () => {
  for (const page of [closedPortPage(ID, PORT), invalidTokenPage(ID)]) {
    expect(page).toContain(ID);
    expect(page.replaceAll(ID, '').replaceAll(PORT, '')).not.toContain('%');
    expect(page).toMatch(/^<!DOCTYPE html><html[\s\S]*<\/html>$/);
  }
});

test('a page made from placeholders is the page made from the values', () => {
  expect(closedPortPage(ID, PORT).replaceAll(ID, 'abc').replaceAll(PORT, '80')).toBe(
    closedPortPage('abc', '80'),
  );
  expect(invalidTokenPage(ID).replaceAll(ID, 'abc')).toBe(invalidTokenPage('abc'));
});
