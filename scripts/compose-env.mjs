import { join } from 'node:path';
import { compose, composeClient } from './compose.mjs';
import { prepare, root, say } from './prepare.mjs';

// `eval "$(npm run --silent compose:env)"`: what E2B's SDKs need to reach the running stack of docker-compose.yml, as
// `sandgate env` prints it for `npm start`.
await prepare();
const { exportLines } = await import('../dist/dev/client-environment.js');
try {
  if (!compose(['ps', '--status=running', '--services']).includes('sandbox-host')) {
    throw new Error(
      'the stack of docker-compose.yml is not running\nfix: run `docker compose up --build --wait` first',
    );
  }
  process.stdout.write(`${exportLines(await composeClient(join(root, '.cache', 'compose')))}\n`);
} catch (error) {
  say(error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
}
