// Preloaded into a measured process: records the time of its garbage collections by kind, four times a second.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { constants, PerformanceObserver } from 'node:perf_hooks';

/** @typedef {{ youngMs: number, fullMs: number }} Collections Milliseconds of the main thread since the start. */
/** @type {Collections} */
const spent = { youngMs: 0, fullMs: 0 };
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) {
    const { duration, detail } = /** @type {{ duration: number, detail: { kind: number } }} */ (
      /** @type {unknown} */ (entry)
    );
    if (detail.kind === constants.NODE_PERFORMANCE_GC_MINOR) spent.youngMs += duration;
    else spent.fullMs += duration;
  }
}).observe({ entryTypes: ['gc'] });

const folder = process.env.SANDGATE_BENCH_COLLECTIONS;
if (folder !== undefined) {
  const file = join(folder, `${process.pid}.json`);
  setInterval(() => writeFileSync(file, JSON.stringify(spent)), 250).unref();
}
