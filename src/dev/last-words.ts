import { readFileSync } from 'node:fs';

/** What a child that ended wrote last to its log: its error where there is one, and what it says to do. */
export function lastWords(logFile: string): { cause: string; remedy: string | undefined } {
  const lines = readFileSync(logFile, 'utf8').trim().split('\n');
  const line = lines.findLast((text) => text.startsWith('sandgate: ')) ?? lines.at(-1) ?? '';
  const [cause = '', remedy] = line.replace(/^sandgate: /, '').split('; remedy: ');
  return { cause, remedy };
}

/** What to do: what the child said, or read its log. */
export function orSeeLog(remedy: string | undefined, logFile: string): string {
  return `${remedy === undefined ? '' : `${remedy}; or `}see ${logFile}`;
}
