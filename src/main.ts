import { report } from './cli/io.ts';
import { run } from './cli/program.ts';

const io = { stdin: process.stdin, stdout: process.stdout, stderr: process.stderr };

// A reader that closed its end (`| head`) is not an error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1));
// A failing stderr must not end a gate.
process.stderr.on('error', () => {});
// A gate in an unknown state must not answer. Its supervisor starts it again; until then Envoy answers 503.
process.on('uncaughtException', (error) => process.exit(report(io, error, false)));
process.on('unhandledRejection', (error) => process.exit(report(io, error, false)));

process.exitCode = await run(process.argv.slice(2), io);
