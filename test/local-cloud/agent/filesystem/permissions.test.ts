import { expect, it } from 'vitest';
import { permissionsText } from '../../../../local-cloud/agent/filesystem/entry.ts';

it.each([
  [0o100644, '-rw-r--r--'],
  [0o040755, 'drwxr-xr-x'],
  [0o041777, 'dtrwxrwxrwx'],
  [0o120777, 'Lrwxrwxrwx'],
  [0o104755, 'urwxr-xr-x'],
  [0o020620, 'Dcrw--w----'],
  [0o010600, 'prw-------'],
  [0o100000, '----------'],
])('writes mode %o as Go does: %s', (mode, text) => {
  expect(permissionsText(mode)).toBe(text);
});
