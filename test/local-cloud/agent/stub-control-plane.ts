import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { importNpmSdk } from '../sdk-cache.ts';
import { type AgentProcess, startAgentProcess, TOKEN } from './agent-process.ts';

/** Answers only a create, as the control plane would; the agent is under test. */
async function startStubControlPlane() {
  const answer = {
    templateID: 'base',
    sandboxID: 'itest00000000000000001',
    clientID: '6532622b',
    envdVersion: '0.5.2',
    envdAccessToken: TOKEN,
  };
  const server = createServer((request, response) => {
    request.resume();
    const create = request.method === 'POST' && /^\/(v2\/)?sandboxes$/.test(request.url ?? '');
    response.writeHead(create ? 201 : 404, { 'content-type': 'application/json' });
    response.end(JSON.stringify(create ? answer : { code: 404, message: 'not here' }));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    stop: () => server.closeAllConnections() ?? new Promise((resolve) => server.close(resolve)),
  };
}

/** A sandbox of E2B's own SDK with our agent. */
export async function startSdkSandbox(version: string) {
  const sdk = await importNpmSdk(version);
  const agent: AgentProcess = await startAgentProcess();
  const control = await startStubControlPlane();
  const sandbox = await sdk.Sandbox.create({
    apiKey: 'e2b_00ff',
    apiUrl: control.url,
    sandboxUrl: agent.url,
  });
  return {
    sdk,
    agent,
    sandbox,
    async stop() {
      await control.stop();
      return await agent.stop();
    },
  };
}
