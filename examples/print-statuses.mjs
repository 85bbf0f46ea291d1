// Loaded before the example (`node --import`): prints the status of every fetch of a sandbox's URL, which the example
// does not print. Skips the SDK's own calls to the control plane and to the agent on port 49983.
const { fetch } = globalThis;

globalThis.fetch = async (input, init) => {
  const response = await fetch(input, init);
  const { hostname } = new URL(input instanceof Request ? input.url : input);
  if (/^\d+-/.test(hostname) && !hostname.startsWith('49983-')) console.log(`status ${response.status}`);
  return response;
};
