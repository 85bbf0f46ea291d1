/** The agent inside a sandbox (envd) listens here; contract §2 gives this port rules of its own. */
export const AGENT_PORT = 49983;

const PORT = /^[1-9][0-9]{0,4}$/;

/**
 * A port, 1..65535, or undefined. No sign, leading zero, space or foreign digit: `049983` must not pass for the
 * agent's port anywhere further down.
 */
export function parsePort(text: string): number | undefined {
  if (!PORT.test(text)) return undefined;
  const port = Number(text);
  return port <= 65_535 ? port : undefined;
}
