// One attacker, in a process of its own: `bench/commands/pressure.mjs` starts it.
// usage: node bench/attack/main.mjs <kind> <connections> <requests a second> <target as JSON>; reports its counts over IPC
import { holdMany } from './kinds.mjs';

const [, , kind = '', limit = '', rate = '', target = ''] = process.argv;
const { counts } = holdMany(kind, JSON.parse(target), Number(limit), Number(rate));
setInterval(() => process.send?.({ ...counts }), 200);
process.once('disconnect', () => process.exit());
