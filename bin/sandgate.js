#!/usr/bin/env node
import { existsSync } from 'node:fs';

const main = new URL('../dist/main.js', import.meta.url);
if (existsSync(main)) {
  await import(main.href);
} else {
  process.stderr.write(
    'sandgate: this checkout is not built yet\nfix: run `npm start`, or `npm run build`, once\n',
  );
  process.exitCode = 1;
}
