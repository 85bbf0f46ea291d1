import { copyFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { prepare, root, run, say } from './prepare.mjs';
import { SDK_VERSIONS, sdkFolder } from './sdk.mjs';

// `npm run example:js`, `npm run example:py`: runs the documented program, unchanged, with E2B's own package, against the
// local cloud of `npm start`. The program finds it through environment variables only.
await prepare();
const [language = 'js', version] = process.argv.slice(2);
const registry = language === 'py' ? 'pypi' : 'npm';

const { readSettings, trustFiles } = await import('../dist/config.js');
const { clientEnvironment } = await import('../dist/dev/client-environment.js');
const { hostEnvironment } = await import('../dist/cli/host-environment.js');
const { report } = await import('../dist/cli/io.js');
const wanted = version ?? SDK_VERSIONS[registry][0];
let folder = '';
try {
  const { stateDir } = readSettings('env', {}, hostEnvironment());
  Object.assign(
    process.env,
    await clientEnvironment(
      stateDir,
      trustFiles().map(({ file }) => resolve(file)),
    ),
  );
  folder = await sdkFolder(registry, wanted);
} catch (error) {
  process.exit(report(process, error, false));
}

const example = (/** @type {string} */ name) => join(root, 'examples', name);
if (registry === 'npm') {
  // Node resolves a bare `import` from the program's folder.
  const program = join(folder, 'example.mjs');
  copyFileSync(example('example.mjs'), program);
  say(
    'running examples/example.mjs; it hangs for a minute, because the stream of its background command stays open',
  );
  await run(process.execPath, ['--import', example('print-statuses.mjs'), program]);
} else {
  process.env.PYTHONPATH = [process.env.PYTHONPATH, folder].filter(Boolean).join(':');
  say('running examples/example.py');
  await run('python3', [example('print_statuses.py'), example('example.py')]);
}
