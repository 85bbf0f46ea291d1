import { type Recorder, startRecorder } from '../stack/recorder.ts';
import { hostOf, publicSandbox, restricted, startTestStack, type TestStack } from '../stack/test-stack.ts';

/** A sandbox with its own server on two ports of its own loopback address. */
export interface Sandbox {
  id: string;
  address: string;
  app: Recorder;
  /** On port 49983. */
  agent: Recorder;
  host: string;
  agentHost: string;
}

/** A stack, and sandboxes that record what they receive. */
export interface Scene {
  stack: TestStack;
  restricted(id: string, over?: { runtime?: object; access?: object }): Promise<Sandbox>;
  public(id: string, over?: { runtime?: object; access?: object }): Promise<Sandbox>;
  /** Clears the records of every sandbox. */
  forget(): void;
  /** Number of requests that reached any sandbox since then. */
  arrived(): number;
  close(): Promise<void>;
}

const AGENT_PORT = 49983;

export async function openScene(flags: Record<string, string> = {}): Promise<Scene> {
  const stack = await startTestStack(flags);
  const recorders: Recorder[] = [];
  let count = 0;
  const add = async (id: string, record: typeof restricted, over: { runtime?: object; access?: object }) => {
    const address = loopback(count++);
    const app = await startRecorder(0, address);
    const agent = await startRecorder(AGENT_PORT, address);
    recorders.push(app, agent);
    const runtime = { route: { address }, ...over.runtime };
    await stack.put(record(id, { ...over, runtime }));
    return { id, address, app, agent, host: hostOf(app.port, id), agentHost: hostOf(AGENT_PORT, id) };
  };
  return {
    stack,
    restricted: (id, over = {}) => add(id, restricted, over),
    public: (id, over = {}) => add(id, publicSandbox, over),
    forget() {
      for (const recorder of recorders) recorder.arrivals.length = 0;
    },
    arrived: () => recorders.reduce((sum, { arrivals }) => sum + arrivals.length, 0),
    async close() {
      await stack.stop();
      await Promise.all(recorders.map((recorder) => recorder.close()));
    },
  };
}

/** Inside 127.64.0.0/10, different for each test file that runs at the same time. */
export function loopback(count: number): string {
  return `127.${64 + count}.${(process.pid >> 8) & 0xff}.${process.pid & 0xff || 1}`;
}
