import { say } from './prepare.mjs';

// `npm run test:extra -- NAME`: suites that need more than a fresh machine has, or more time.

/** What each checks; what it needs beside the checkout. */
const SUITES = /** @type {Record<string, [string, string]>} */ ({
  anywhere: ['both commands and the examples in every kind of folder, by every kind of user', 'root, Linux'],
  api: ['the policy API against its OpenAPI document: --seconds 300', ''],
  compose: ['docker-compose.yml', 'a Docker engine'],
  interrupt: ['npm test leaves nothing when it is interrupted: --times 20', 'Linux'],
  long: ['npm test with the long forms of its tests', ''],
  node: ['npm test on another Node: node 24', ''],
  prometheus: ['rules and config of deploy/ on the real Prometheus', ''],
  python: ['what Python does for us, on another one: python PATH', 'that Python, with pip'],
  sdk: ["E2B's SDKs in every version that is named", ''],
});

const [name = ''] = process.argv.splice(2, 1);
if (Object.hasOwn(SUITES, name)) {
  await import(`./extra/${name}.mjs`);
} else {
  const asked = name === '' || name === '--help';
  if (!asked) say(`there is no suite ${name}`);
  const lines = Object.entries(SUITES).map(
    ([suite, [what, needs]]) => `  ${suite.padEnd(12)}${what}${needs && ` (needs ${needs})`}`,
  );
  process.stdout.write(`usage: npm run test:extra -- NAME [OPTIONS]\n\n${lines.join('\n')}\n`);
  process.exit(asked ? 0 : 2);
}
