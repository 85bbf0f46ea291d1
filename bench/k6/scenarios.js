/**
 * Scenarios of one load test; their constant parts add up to `rate` requests per second at the gate.
 * @param {{ rate: number, seconds: number, sockets: number }} plan
 */
export function scenarios({ rate, seconds, sockets }) {
  const duration = `${seconds}s`;
  // k6 drops arrivals that find no free user, so there are many more users than needed.
  const users = Math.max(20, Math.ceil(rate / 10));
  const arrival = { timeUnit: '1s', preAllocatedVUs: users, maxVUs: users * 10 };
  /** @param {number} share @param {string} exec */
  const constant = (share, exec) => ({
    executor: 'constant-arrival-rate',
    exec,
    rate: Math.max(1, Math.round(rate * share)),
    duration,
    ...arrival,
  });
  /** @param {number} from @param {number} peak @param {number[]} lasts Shares of the run: up, at the peak, down. */
  const changing = (from, peak, lasts) => ({
    executor: 'ramping-arrival-rate',
    exec: 'steady',
    startTime: `${Math.round(seconds * from)}s`,
    startRate: 1,
    stages: [peak, peak, 1].map((share, n) => ({
      target: Math.max(1, Math.round(share === 1 ? 1 : rate * share)),
      duration: `${Math.max(1, Math.round(seconds * (lasts[n] ?? 0)))}s`,
    })),
    ...arrival,
  });
  return {
    steady: constant(0.6, 'steady'),
    denials: constant(0.2, 'denials'),
    rotating: constant(0.1, 'rotating'),
    flipping: constant(0.1, 'flipping'),
    ramp: changing(0.1, 0.2, [0.2, 0.2, 0.1]),
    spike: changing(0.75, 0.4, [0.02, 0.05, 0.02]),
    websockets: { executor: 'constant-vus', exec: 'websockets', vus: sockets, duration, gracefulStop: '10s' },
    reference: constant(0.05, 'reference'),
  };
}

/**
 * As many requests as this machine can send and answer, k6's own CPU included.
 * @param {{ seconds: number }} plan
 */
export function capacity({ seconds }) {
  return { capacity: { executor: 'constant-vus', exec: 'steady', vus: 32, duration: `${seconds}s` } };
}
