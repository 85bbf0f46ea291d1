// `sandgate serve` without metrics and decision log; their cost is the difference from a gate with them.
// usage: node bench/stack/unobserved-gate.mjs --state-dir=… (the flags of `serve`)
import { parseArgs } from 'node:util';
import { startGate } from '../../dist/app.js';
import { hostEnvironment } from '../../dist/cli/host-environment.js';
import { readSettings } from '../../dist/config.js';
import { createLogger } from '../../dist/observe/logger.js';
import { flagKey, SETTINGS } from '../../dist/settings.js';

const serving = SETTINGS.filter(({ commands }) => commands.includes('serve'));
/** @param {import('../../src/settings.ts').Setting} setting */
const nameOf = ({ flag }) => flag.slice(2).split(' ')[0] ?? '';
const { values } = parseArgs({
  options: Object.fromEntries(serving.map((setting) => [nameOf(setting), { type: 'string' }])),
});
const flags = Object.fromEntries(serving.map((setting) => [flagKey(setting), values[nameOf(setting)]]));
const settings = readSettings('serve', /** @type {Record<string, string>} */ (flags), hostEnvironment());
const gate = await startGate(settings, createLogger(settings.logLevel, 2).log, { observed: false });
console.log(`sandgate ready: Check on ${gate.check}`);
