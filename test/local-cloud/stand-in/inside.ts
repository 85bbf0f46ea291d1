import { request as httpRequest } from 'node:http';
import { dirname, join } from 'node:path';
import { dial } from '../../../local-cloud/node-proxy/dial.ts';
import type { Inside, Sandbox, SandboxCommands } from '../../../local-cloud/sandbox/sandbox.ts';
import { openCopy } from '../../machine.ts';

/** Path of a stand-in program, such as `agent.mjs`, that a sandbox's users can read. */
export const standIn = (name: string) => join(openCopy().folder, 'test/local-cloud/stand-in', name);

/** Folders that sandboxes must see to run the stand-ins. */
export const standInFolders = () => [standIn('.'), dirname(openCopy().node)];

export function standIns(inside: Inside): SandboxCommands {
  const { node } = openCopy();
  return {
    bridge: [node, standIn('bridge.mjs'), inside.bridgeSocket],
    agent: [node, standIn('agent.mjs'), String(inside.agentPort)],
  };
}

/** The parts of a sandbox that are needed to reach its agent. */
export type Reached = Pick<Sandbox, 'bridgeSocket' | 'agentPort'>;

export interface Told {
  code: number;
  out: string;
}

/** Runs a command inside, in a login shell of the agent's user or of `user`. */
export async function run(sandbox: Reached, command: string, user = ''): Promise<Told> {
  return JSON.parse(await askAgent(sandbox, '/', command, { 'x-user': user }));
}

/** The response of a sandbox's agent, without the node proxy. */
export async function askAgent(
  sandbox: Reached,
  path: string,
  body = '',
  headers: Record<string, string> = {},
): Promise<string> {
  const dialled = await dial(sandbox.bridgeSocket, sandbox.agentPort, new AbortController().signal);
  if (dialled.kind !== 'open') throw new Error(`the agent is ${dialled.kind}`);
  return new Promise((resolve, reject) => {
    const asked = httpRequest(
      { method: body === '' ? 'GET' : 'POST', path, headers, createConnection: () => dialled.socket },
      (answer) => {
        let text = '';
        answer.setEncoding('utf8').on('data', (part: string) => {
          text += part;
        });
        answer.on('end', () => resolve(text)).on('error', reject);
      },
    );
    asked.on('error', reject);
    asked.end(body);
  });
}
