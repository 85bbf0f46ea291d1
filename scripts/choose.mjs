import { say } from './prepare.mjs';

/**
 * Takes the name that comes first on the command line and returns it; without one, or with `--help`, prints the names
 * and ends the process. An unknown name is a usage error: exit code 2.
 * @param {{ command: string, noun: string, names: Record<string, string> }} choice `names`: what each is for.
 */
export function choose({ command, noun, names }) {
  const [name = ''] = process.argv.splice(2, 1);
  if (Object.hasOwn(names, name)) return name;
  const listed = name === '' || name === '--help';
  if (!listed) say(`unknown ${noun} '${name}'`);
  const lines = Object.entries(names).map(([one, what]) => `  ${one.padEnd(13)}${what}`);
  process.stdout.write(`usage: ${command} -- NAME [OPTIONS]\n\n${lines.join('\n')}\n`);
  process.exit(listed ? 0 : 2);
}
