import type { CheckServer } from './check-server.ts';

/** A stuck client must not keep a process from ending. */
const CLOSE_WITHIN_MS = 5000;

/**
 * Closes a server without losing a request: reports NOT_SERVING, waits until Envoy's next health check has seen it, then
 * closes. Node cannot send a GOAWAY ahead of time; Envoy's retries cover calls that still arrive in between.
 */
export async function drain(server: CheckServer, waitMs: number, forced: AbortSignal): Promise<void> {
  server.health.setServing(false);
  await pause(waitMs, forced);
  const closed = server.close(CLOSE_WITHIN_MS);
  const cut = () => server.cut();
  forced.addEventListener('abort', cut, { once: true });
  if (forced.aborted) cut();
  await closed;
  forced.removeEventListener('abort', cut);
}

function pause(ms: number, cut: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (cut.aborted) return resolve();
    const timer = setTimeout(resolve, ms);
    cut.addEventListener(
      'abort',
      () => {
        clearTimeout(timer);
        resolve();
      },
      { once: true },
    );
  });
}
