import { join } from 'node:path';
import { compose, composeClient } from './compose.mjs';
import { prepare, root, say } from './prepare.mjs';

// `eval "$(npm run --silent compose:env)"`: for E2B's SDKs and the running stack of docker-compose.yml, what
// `sandgate env` is for that of `npm start`.
await prepare();
const { exportLines } = await import('../dist/dev/client-environment.js');
try {
  if (!compose(['ps', '--status=running', '--services']).includes('sandbox-host')) {
    throw new Error('the stack does not run: `docker compose up --build --wait`, and ask again');
  }
  process.stdout.write(`${exportLines(await composeClient(join(root, '.cache', 'compose')))}\n`);
} catch (error) {
  say(error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
}
