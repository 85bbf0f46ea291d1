import { report } from './cli/io.ts';
import { run } from './cli/program.ts';

const io = { stdin: process.stdin, stdout: process.stdout, stderr: process.stderr };

// A reader that went away (`| head`) is no fault of ours.
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1));
// In an unknown state a gate must not answer; whoever supervises it starts it again, and Envoy says 503 meanwhile.
// Nobody reads what went wrong any more; that must not become one more thing that does.
process.stderr.on('error', () => {});
process.on('uncaughtException', (error) => process.exit(report(io, error, false)));
process.on('unhandledRejection', (error) => process.exit(report(io, error, false)));

process.exitCode = await run(process.argv.slice(2), io);
