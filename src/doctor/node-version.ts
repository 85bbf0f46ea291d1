import { type Finding, fail, ok } from './finding.ts';

/** `version` such as `20.19.0`; `engines` such as `>=20.19`, the form that package.json has. */
export function checkNode(version: string, engines: string): Finding {
  const [, major = 0, minor = 0] = /(\d+)\.(\d+)/.exec(engines)?.map(Number) ?? [];
  const [ownMajor = 0, ownMinor = 0] = version.split('.').map(Number);
  if (ownMajor > major || (ownMajor === major && ownMinor >= minor)) return ok('node', version);
  return fail('node', `${version}, and ${engines} is needed`, 'install a newer Node.js');
}
