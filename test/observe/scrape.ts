import { type Answered, ask } from '../stack/client.ts';

/** The lines of a text exposition that carry a number, as `name{labels}` to number. */
export function seriesOf(text: string): Map<string, number> {
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return new Map(
    lines.map((line) => {
      const space = line.lastIndexOf(' ');
      return [line.slice(0, space), Number(line.slice(space + 1))];
    }),
  );
}

export function scrape(ops: { host: string; port: number }): Promise<Answered> {
  return ask(ops, { host: '127.0.0.1', path: '/metrics' });
}

/** What went up between two scrapes, by how much; series that did not are left out. */
export function risen(before: Map<string, number>, after: Map<string, number>): Record<string, number> {
  const changes = [...after].map(([name, value]) => [name, value - (before.get(name) ?? 0)] as const);
  return Object.fromEntries(changes.filter(([, change]) => change !== 0));
}
