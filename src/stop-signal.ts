/** Ctrl-C under npm arrives twice, from the terminal and from npm: signals this close together count as one. */
const SAME_SIGNAL_MS = 500;

export interface StopSignal {
  /** Aborted by the first SIGTERM or SIGINT. */
  readonly stop: AbortSignal;
  /** Aborted by a later signal: stop waiting. */
  readonly force: AbortSignal;
  /** Resolves at the first signal. */
  readonly stopped: Promise<void>;
}

/** `onHangup` handles SIGHUP. By default SIGHUP means that the terminal was closed, and stops the process too. */
export function listenForStop(
  target: NodeJS.Process,
  monotonic: () => number,
  onHangup?: () => void,
): StopSignal {
  const stop = new AbortController();
  const force = new AbortController();
  let firstAt: number | undefined;
  const onSignal = () => {
    if (firstAt === undefined) {
      firstAt = monotonic();
      stop.abort();
    } else if (monotonic() - firstAt > SAME_SIGNAL_MS) {
      force.abort();
    }
  };
  target.on('SIGTERM', onSignal);
  target.on('SIGINT', onSignal);
  target.on('SIGHUP', onHangup ?? onSignal);
  // Only a process with a supervisor has a channel. Without the supervisor nothing would restart or stop this process.
  target.on('disconnect', () => {
    if (firstAt === undefined) onSignal();
  });
  // The listener alone must not keep the process running.
  target.channel?.unref();
  const stopped = new Promise<void>((resolve) =>
    stop.signal.addEventListener('abort', () => resolve(), { once: true }),
  );
  return { stop: stop.signal, force: force.signal, stopped };
}
