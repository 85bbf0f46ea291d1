import { parseListenAddress } from '../listening.ts';
import { startPortBridge } from './port-bridge.ts';

/** `node port-bridge/main.js /path/to.sock`: the bridge as a process of its own, for an agent without one, such as E2B's. */
const [at, ...more] = process.argv.slice(2);
try {
  if (at === undefined || more.length > 0) throw new Error('expected one argument, the socket path');
  const bridge = await startPortBridge(parseListenAddress(at));
  const stop = () => {
    bridge.close();
    process.exit(0);
  };
  process.on('SIGTERM', stop).on('SIGINT', stop);
  process.stdout.write(`${JSON.stringify({ ready: true, listen: at })}\n`);
} catch (error) {
  process.stderr.write(`port-bridge: ${(error as Error).message}\n`);
  process.exitCode = 1;
}
