import { choose } from './choose.mjs';
import { prepare } from './prepare.mjs';

// `npm run bench -- NAME`: runs `bench/commands/NAME.mjs` on a fresh build.

const name = choose({
  command: 'npm run bench',
  noun: 'benchmark',
  names: {
    run: 'CPU and latency, compared with no gate: --quick, --peer NAME=SOCKET, --publish',
    envoy: 'what each setting of the Envoy config costs: --quick, --only SETTING, --publish',
    scale: 'up to 1,000,000 policies: --quick, --publish',
    load: 'the load test: --minutes 5, --share 0.6 or --rate 500, --quick, --publish',
    all: 'these four, published: 25 minutes on an idle machine, or --quick',
    check: 'the hot path only, or compared with another checkout: --against DIR, --rounds 15',
    routing: "the cost in Envoy of another checkout's config: --against DIR, --rounds 15",
    revoke: 'how soon a revoked token is refused: --trials 100',
    memory: 'memory of a gate with many hot policies: --policies 10000,100000',
    pressure: 'one client against the memory of Envoy: --only KIND, --heap 256, --against DIR',
    collections: 'the share of garbage collection: --rounds 7',
    restart: 'the cost of a rolling restart: --share 0.75, --restarts 3',
    pages: 'draws the pages again from bench/published/',
  },
});
await prepare();
await import(`../bench/commands/${name}.mjs`);
