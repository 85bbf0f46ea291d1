// @ts-nocheck: the modules of k6 are not those of Node.
// The service `k6` of docker-compose.yml: measures Envoy and the gates without a sandbox. Requests are for unknown ids;
// a gate decides each of them. `npm run bench -- load` is the load test with sandboxes.
import { check } from 'k6';
import http from 'k6/http';

http.setResponseCallback(http.expectedStatuses(502));

export const options = {
  scenarios: {
    unknown: {
      executor: 'constant-arrival-rate',
      rate: Number(__ENV.RATE || 200),
      timeUnit: '1s',
      duration: __ENV.DURATION || '15s',
      preAllocatedVUs: 100,
      maxVUs: 1000,
    },
  },
  thresholds: { checks: ['rate==1'], http_req_duration: ['p(99)<250'] },
};

export default function () {
  const id = `nobody${__ITER % 100}`;
  const answer = http.get('http://127.0.0.1:3002/', { headers: { Host: `8080-${id}.${__ENV.DOMAIN}` } });
  check(answer, {
    'sandbox not found': ({ headers }) => headers['X-Sandgate-Reason'] === 'sandbox_not_found',
  });
}
