// Only the conductor, for a load test in containers: writes the sandboxes through the policy API of a gate, then each
// change of the timetable, until it is stopped.
// usage: node bench/load/main.mjs --api host:port|unix:path --address 10.0.0.7
// SANDGATE_LOAD_TOKEN is the same as for k6; SANDGATE_POLICY_API_KEY is the key of the policy API.
import { parseArgs } from 'node:util';
import { parseEndpoint } from '../../dist/address.js';
import { HttpPolicyAdmin } from '../../dist/policy-api/client/http-client.js';
import { TOKEN } from '../stack/policies.mjs';
import { conduct, writeSandboxes } from './conductor.mjs';

const { values } = parseArgs({
  options: { api: { type: 'string', default: '' }, address: { type: 'string', default: '127.0.0.1' } },
});
const { api, address } = values;
const at = parseEndpoint(api);
const admin = new HttpPolicyAdmin({ at, key: process.env.SANDGATE_POLICY_API_KEY, timeLimitMs: 5000 });
/** @param {readonly unknown[]} records */
const put = (records) => admin.put(records);
const token = process.env.SANDGATE_LOAD_TOKEN || TOKEN;
await writeSandboxes(put, { address, token, now: Date.now() });
const conductor = conduct(put, token);
console.log('sandgate ready: the sandboxes exist');
process.on('SIGTERM', conductor.stop).on('SIGINT', conductor.stop);
