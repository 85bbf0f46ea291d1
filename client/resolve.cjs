// Loaded with `node --require` if the C library does not resolve the local cloud's names: makes `dns.lookup` resolve them,
// and only them. The file in SANDGATE_NAMES lists them; in a shell that outlives that file, this does nothing.
const { readFileSync } = require('node:fs');
const { syncBuiltinESMExports } = require('node:module');
const dns = require('node:dns');

/** @returns {{ domain?: string, addresses: string[] }} */
const readKnown = () => {
  try {
    return JSON.parse(readFileSync(process.env.SANDGATE_NAMES ?? '', 'utf8'));
  } catch {
    return { addresses: [] };
  }
};
const { domain, addresses } = readKnown();
const found = addresses.map((/** @type {string} */ address) => ({
  address,
  family: address.includes(':') ? 6 : 4,
}));

/** @type {(name: unknown) => boolean} */
const isOurs = (name) => {
  const text = String(name).toLowerCase().replace(/\.$/, '');
  return text === domain || text.endsWith(`.${domain}`);
};

/** @type {(options: any) => { address: string, family: number }[]} */
const answers = (options) => {
  const family = { IPv4: 4, IPv6: 6 }[String(options?.family)] ?? options?.family ?? options;
  return found.filter((/** @type {any} */ one) =>
    family !== 4 && family !== 6 ? true : one.family === family,
  );
};

const { lookup } = dns;
/** @type {any} */
const patched = (/** @type {string} */ name, /** @type {any} */ options, /** @type {any} */ callback) => {
  const done = callback ?? options;
  const given = callback === undefined ? {} : options;
  const [first] = answers(given);
  if (!isOurs(name) || first === undefined || typeof done !== 'function') {
    return callback === undefined ? lookup(name, done) : lookup(name, options, callback);
  }
  process.nextTick(() => (given?.all ? done(null, answers(given)) : done(null, first.address, first.family)));
};
dns.lookup = patched;

const promised = dns.promises.lookup;
/** @type {any} */
const patchedPromise = async (/** @type {string} */ name, /** @type {any} */ options) => {
  const [first] = answers(options);
  if (!isOurs(name) || first === undefined) return promised(name, options);
  return options?.all ? answers(options) : first;
};
dns.promises.lookup = patchedPromise;
// For `import { lookup } from 'node:dns'`.
syncBuiltinESMExports();
