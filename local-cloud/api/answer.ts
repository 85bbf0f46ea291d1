/** The control plane's response to one request. */
export interface Answer {
  status: number;
  body?: unknown;
  headers?: Readonly<Record<string, string>>;
}

/** E2B's error shape. */
export function refusal(code: number, message: string): Answer {
  return { status: code, body: { code, message } };
}

export const NO_CONTENT: Answer = { status: 204 };
export const INVALID_ID = refusal(400, 'Invalid sandbox ID');
export const NO_KEY = refusal(401, 'authorization header is missing');
export const WRONG_KEY = refusal(401, 'Cannot get the team for the given API key');

export function notFound(sandboxId: string): Answer {
  return refusal(404, `Sandbox "${sandboxId}" doesn't exist or you don't have access to it`);
}
