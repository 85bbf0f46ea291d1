import type { Case, Refused } from '../e2e/cases.ts';
import { headersOf } from '../e2e/wires.ts';
import type { Observed } from './observed.ts';

/** A documented way in which an ingress with its own routes differs from the bundled config: docs/production.md. */
export interface Difference {
  /** As the table in docs/production.md says it. */
  what: string;
  applies(one: Case): boolean;
  /** What is seen behind the ingress, given what is seen behind the bundled config. */
  expected(bundled: Observed, one: Case): Observed;
}

const refused = ({ status, reason, body }: Refused, one: Case): Observed => ({
  status,
  headers: headersOf({ status, reason, body }, one.request),
  body,
  arrived: [],
});
const INVALID_HOST: Refused = { status: 400, reason: 'invalid_host', body: 'Invalid host\n' };

/** Changes the lines of the one arrival. */
const arriving = (bundled: Observed, change: (arrival: string) => string): Observed => ({
  ...bundled,
  arrived: bundled.arrived.map(change),
});

const SHARED_HOST = /^(localhost|[\d.]+|\[::1\]|sandbox\.e2b\.app)(:\d+)?$/i;
const isInvalidHost = ({ expected }: Case) => 'reason' in expected && expected.reason === 'invalid_host';

/** Each applies to some case, and no two to the same one. */
export const DIFFERENCES: readonly Difference[] = [
  {
    what: 'no routing by header',
    applies: (one) => SHARED_HOST.test(one.request.host) && !isInvalidHost(one) && !isPreflight(one),
    expected: (_, one) => refused(INVALID_HOST, one),
  },
  {
    what: 'a dot at the end of the Host is removed for the sandbox too',
    applies: ({ request, expected }) => request.host.endsWith('.') && 'at' in expected,
    expected: (bundled) => arriving(bundled, (arrival) => arrival.replace(/^(host: .*)\.$/m, '$1')),
  },
  {
    what: 'a host with two dots at the end has no route',
    applies: ({ request }) => request.host.endsWith('..'),
    expected: (_, one) => {
      const [port = '', sandboxId = ''] = one.request.host.split(/[-.]/);
      const body = `{"sandboxId":"${sandboxId}","message":"The sandbox is running but port is not open","port":${port},"code":502}`;
      const { headers, ...answer } = refused({ status: 502, reason: 'port_closed', body }, one);
      // The gate allowed it by its token; what has no route is the ingress's Host.
      return { ...answer, headers: { ...headers, vary: `${headers.vary},e2b-traffic-access-token` } };
    },
  },
  {
    what: 'no node proxy',
    applies: ({ request, expected }) =>
      'at' in expected && expected.at[0] === 'node' && !SHARED_HOST.test(request.host),
    expected: (bundled, { request }) => {
      const host = request.host.replace('.:', ':');
      const [port] = request.host.split('-');
      return arriving(bundled, (arrival) =>
        arrival
          .replace(/^node:\d+/, `node:${port === '49983' ? port : '5007'}`)
          .replace(/^host: .*/m, `host: ${host}`)
          .replace(/^x-forwarded-host: .*\n/m, ''),
      );
    },
  },
];

/** Only behind Istio. */
export const NORMALIZED_PATH: Difference = {
  what: 'dot segments of the path are resolved',
  applies: ({ request, expected }) =>
    request.path !== undefined && normalized(request.path) !== request.path && !isPreflight({ expected }),
  expected: (bundled, { request }) => {
    const path = normalized(request.path!);
    const { status, body } = bundled;
    const shown = JSON.stringify(decodeURIComponent(path));
    return {
      ...arriving(bundled, (arrival) => arrival.replace(` ${request.path}\n`, ` ${path}\n`)),
      body: status === 404 ? body.replace(/"path":"[^"]*"/, `"path":${shown}`) : body,
    };
  },
};

function normalized(path: string): string {
  const { pathname, search } = new URL(`http://host${path}`);
  return pathname + search;
}

function isPreflight({ expected }: Pick<Case, 'expected'>): boolean {
  return 'reason' in expected && expected.reason === 'preflight';
}
