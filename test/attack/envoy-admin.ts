import { request } from 'node:http';
import { join } from 'node:path';
import type { TestStack } from '../stack/test-stack.ts';

/** Addresses that Envoy has dialed for sandboxes in the last half minute. */
export async function destinations(stack: TestStack): Promise<string[]> {
  const lines = (await ask(stack, '/clusters')).split('\n');
  const hosts = lines.map((line) => /^sandbox::(.+)::cx_active::/.exec(line)?.[1]);
  return hosts.filter((host) => host !== undefined);
}

/** One counter or gauge, by its full name. */
export async function stat(stack: TestStack, name: string): Promise<number> {
  const lines = (await ask(stack, `/stats?filter=^${name}$`)).trim().split('\n');
  if (lines.length !== 1) throw new Error(`Envoy has ${lines.length} stats named ${name}`);
  return Number(lines[0]?.split(': ')[1]);
}

function ask(stack: TestStack, path: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const asked = request(
      { socketPath: join(stack.stateDir, 'admin.sock'), path, agent: false },
      (response) => {
        let body = '';
        response.setEncoding('utf8');
        response.on('data', (text: string) => {
          body += text;
        });
        response.on('end', () => resolve(body));
      },
    );
    asked.on('error', reject);
    asked.end();
  });
}
