// Another process on the same policies.db. Each line on stdin is a command, answered by one line on stdout.
// Runs the build, because Node 20 does not read TypeScript.
import { randomBytes } from 'node:crypto';
import { writeSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { systemClock } from '../../../dist/policy/clock.js';
import { openSqliteStore } from '../../../dist/policy/sqlite/sqlite-store.js';

const say = (/** @type {unknown} */ value) => writeSync(1, `${JSON.stringify(value)}\n`);
const put = (/** @type {string} */ sandboxId, /** @type {object} */ runtime) => ({
  sandboxId,
  runtime: { state: /** @type {const} */ ('running'), route: { address: '10.0.3.7' }, ...runtime },
});

/** @type {Record<string, (...words: string[]) => Promise<unknown>>} */
const commands = {
  holds: async (id) => (await store.read(id)) !== undefined,
  put: (id, incarnation) => store.write([put(id, { incarnation })]),
  /** Writes until it is killed, and reports each write once it is acknowledged. */
  async flood(prefix) {
    for (let index = 0; ; index++) {
      await store.write([put(`${prefix}${index}`, {}), put(`${prefix}${index}twin`, {})]);
      say(`${prefix}${index}`);
    }
  },
  /** Adds one to a number in the record, `times` times, with another attempt after each conflict. */
  async count(id, times) {
    let conflicts = 0;
    for (let done = 0; done < Number(times); ) {
      const { runtime } = /** @type {any} */ (await store.read(id));
      const incarnation = String(Number(runtime.incarnation) + 1);
      try {
        await store.write([put(id, { incarnation, version: runtime.version })]);
        done++;
      } catch (error) {
        if (/** @type {any} */ (error).code !== 'VERSION_CONFLICT') throw error;
        conflicts++;
      }
    }
    return conflicts;
  },
};

const store = await openSqliteStore({
  path: process.argv[2] ?? '',
  routing: 'gate',
  clock: systemClock,
  random: randomBytes,
})
  // Some tests expect the start to fail.
  .catch((error) => {
    say({ code: error.code, message: error.message, remedy: error.remedy });
    process.exit(1);
  });
say('ready');
for await (const line of createInterface({ input: process.stdin })) {
  const [name = '', ...words] = line.split(' ');
  say(await commands[name]?.(...words).catch((error) => ({ code: error.code, message: error.message })));
}
await store.close();
