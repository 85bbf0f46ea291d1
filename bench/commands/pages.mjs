// Draws docs/performance.md, its plots and the tables of envoy/README.md from bench/published/.
// usage: npm run bench -- pages
import { writePages } from '../report/pages.mjs';

for (const file of writePages()) console.log(file);
