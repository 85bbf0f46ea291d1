/** Ctrl-C under npm arrives twice at once, from the terminal and from npm: that is one wish, not two. */
const ONE_WISH_MS = 500;

export interface StopSignal {
  /** Aborted by the first SIGTERM or SIGINT. */
  readonly stop: AbortSignal;
  /** Aborted by a later one: no more waiting. */
  readonly force: AbortSignal;
  /** Resolves at the first signal. */
  readonly stopped: Promise<void>;
}

/** `onHangup`: what SIGHUP is for. Without it, it is a closed terminal: a wish to end as well. */
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
    } else if (monotonic() - firstAt > ONE_WISH_MS) {
      force.abort();
    }
  };
  target.on('SIGTERM', onSignal);
  target.on('SIGINT', onSignal);
  target.on('SIGHUP', onHangup ?? onSignal);
  // Only a process with a supervisor has a channel to lose: nobody would start it again, or ever end it.
  target.on('disconnect', () => {
    if (firstAt === undefined) onSignal();
  });
  // Listening alone must not keep the process from ending.
  target.channel?.unref();
  const stopped = new Promise<void>((resolve) =>
    stop.signal.addEventListener('abort', () => resolve(), { once: true }),
  );
  return { stop: stop.signal, force: force.signal, stopped };
}
