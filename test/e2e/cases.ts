import type { Reason } from '../../src/decision/reasons.ts';
import type { ClientRequest } from '../stack/client.ts';
import { digestOf, OTHER_TOKEN, TOKEN } from '../stack/test-stack.ts';

/**
 * The contract as one table: sandboxes, requests, and the outcome of each request. It does not depend on any harness; a
 * member has no address until a harness gives it one.
 */
export const DOMAINS = 'e2b.localhost,*.e2b.app,*.e2b-test.app';

/** The ids and tokens of the contract. */
export const ID = 'isv6ril5xadwn1k9t2jye';
export const OTHER = 'iother5b5aiixd410phsjv';
const SECOND = 'im9r2ycjiy2534qsdy1oo';
export const TOKEN_HEADER = 'e2b-traffic-access-token';
export const WITH_TOKEN = { [TOKEN_HEADER]: TOKEN };

const PAST = '2020-01-01T00:00:00Z';
const FUTURE = '2099-01-01T00:00:00Z';
/** Further tokens of `several`, by their restriction. */
const MORE = { ports: 'a'.repeat(64), expired: 'b'.repeat(64), past: 'c'.repeat(64), life: 'd'.repeat(64) };

export interface Member {
  sandboxId: string;
  /** Ports on which its server listens. */
  listens?: readonly number[];
  runtime?: Record<string, unknown>;
  access?: Record<string, unknown>;
  /** The port of the node proxy that its traffic goes through. */
  nodeProxy?: number;
  /** Stored in a form that the gate cannot read. */
  unreadable?: true;
}

const BOTH = [8080, 49983];
const token = (value: string, more: object = {}) => ({
  id: `t${value.slice(0, 4)}`,
  sha256: digestOf(value),
  ...more,
});
const PUBLIC = { allowPublicTraffic: true };
const SECURED = { tokens: [token(TOKEN)] };

export const MEMBERS: readonly Member[] = [
  { sandboxId: ID, listens: BOTH, access: SECURED },
  { sandboxId: OTHER, listens: [3000, ...BOTH], access: PUBLIC },
  { sandboxId: SECOND, listens: BOTH, access: { tokens: [token(OTHER_TOKEN)] } },
  {
    sandboxId: 'agent',
    listens: BOTH,
    runtime: { agent: 'self-authenticating' },
    access: SECURED,
  },
  { sandboxId: 'paused', listens: BOTH, runtime: { state: 'paused' }, access: SECURED },
  { sandboxId: 'pausedopen', listens: BOTH, runtime: { state: 'paused' }, access: PUBLIC },
  { sandboxId: 'moving', listens: BOTH, runtime: { state: 'transitioning' }, access: SECURED },
  { sandboxId: 'movingopen', listens: BOTH, runtime: { state: 'transitioning' }, access: PUBLIC },
  { sandboxId: 'ended', listens: BOTH, runtime: { endsAt: PAST }, access: SECURED },
  { sandboxId: 'endedmoving', runtime: { endsAt: PAST, state: 'transitioning' }, access: SECURED },
  { sandboxId: 'ending', listens: BOTH, runtime: { endsAt: FUTURE }, access: SECURED },
  {
    sandboxId: 'several',
    listens: [3000, ...BOTH],
    runtime: { incarnation: 'second' },
    access: {
      tokens: [
        token(TOKEN, { expiresAt: FUTURE, label: 'of the CI' }),
        token(OTHER_TOKEN, { incarnation: 'second' }),
        token(MORE.ports, { ports: [3000, 8080] }),
        token(MORE.expired, { expiresAt: PAST }),
        token(MORE.life, { incarnation: 'first' }),
        // The same value twice: a fault of one entry does not affect the other.
        token(MORE.past, { expiresAt: PAST }),
        token(MORE.past, { id: 'again', ports: [8080] }),
      ],
    },
  },
  { sandboxId: 'none', listens: BOTH, access: { tokens: [] } },
  { sandboxId: 'revoked', listens: BOTH, access: { tokens: [], revoked: [digestOf(TOKEN)] } },
  // biome-ignore lint/suspicious/noTemplateCurlyInString: the gate fills it in
  { sandboxId: 'masked', listens: BOTH, access: { ...PUBLIC, maskRequestHost: 'localhost:${PORT}' } },
  { sandboxId: 'maskedplain', listens: BOTH, access: { ...SECURED, maskRequestHost: 'App.example' } },
  { sandboxId: 'forwarding', listens: BOTH, access: { ...SECURED, upstreamToken: 'forward' } },
  { sandboxId: 'openforwarding', listens: BOTH, access: { ...PUBLIC, upstreamToken: 'forward' } },
  {
    sandboxId: 'node',
    listens: [5007, ...BOTH],
    nodeProxy: 5007,
    access: { ...SECURED, upstreamToken: 'forward' },
  },
  { sandboxId: 'broken', listens: BOTH, access: PUBLIC, unreadable: true },
];

/** The policy of a member at this address, in input form. */
export function recordOf({ sandboxId, runtime, access, nodeProxy }: Member, address: string) {
  const route = { address, ...(nodeProxy !== undefined && { port: nodeProxy }) };
  return {
    sandboxId,
    runtime: { route, ...runtime },
    access: { tokens: [], revoked: [], ...access },
  };
}

/** The request reaches this port of this sandbox. */
export interface Arrives {
  at: [sandboxId: string, port: number];
  /** Headers that arrive, if they differ from these: Host as sent, no token and no routing headers. Undefined is absent. */
  sees?: Record<string, string | undefined>;
}

export interface Refused {
  status: number;
  reason: Reason;
  body: string;
}

export interface Case {
  name: string;
  request: ClientRequest;
  expected: Arrives | Refused;
}

const MESSAGES = {
  missing: "Sandbox is secured with traffic access token. Token header 'e2b-traffic-access-token' is missing",
  invalid:
    "Sandbox is secured with traffic access token. Provided token in header 'e2b-traffic-access-token' is invalid",
  internal:
    'This endpoint is reserved for the E2B control plane and is not reachable through the sandbox URL',
};
const text = (reason: Reason, message: string): Refused => ({ status: 400, reason, body: `${message}\n` });
const INVALID_HOST = text('invalid_host', 'Invalid host');
const INVALID_PORT = text('invalid_sandbox_port', 'Invalid sandbox port');
const INVALID_ID = text('invalid_sandbox_id', 'Invalid sandbox ID');
const MISSING_HEADER = text('missing_header', 'missing header');
export const missing = (id: string): Refused => ({
  status: 403,
  reason: 'token_missing',
  body: `{"sandboxId":"${id}","message":"${MESSAGES.missing}","code":403}`,
});
export const invalid = (id: string): Refused => ({
  status: 403,
  reason: 'token_invalid',
  body: `{"sandboxId":"${id}","message":"${MESSAGES.invalid}","code":403}`,
});
export const notFound = (id: string): Refused => ({
  status: 502,
  reason: 'sandbox_not_found',
  body: `{"sandboxId":"${id}","message":"The sandbox was not found","code":502}`,
});
export const transitioning = (id: string): Refused => ({
  status: 409,
  reason: 'sandbox_transitioning',
  body: `{"sandboxId":"${id}","message":"The sandbox is still transitioning. Try again in a moment.","code":409}`,
});
/** `path` as it is written in JSON. */
export const internal = (path: string): Refused => ({
  status: 404,
  reason: 'control_plane_path',
  body: `{"message":"${MESSAGES.internal}","path":"${path}","code":404}`,
});
export const closed = (id: string, port: number): Refused => ({
  status: 502,
  reason: 'port_closed',
  body: `{"sandboxId":"${id}","message":"The sandbox is running but port is not open","port":${port},"code":502}`,
});
export const UNAVAILABLE: Refused = {
  status: 503,
  reason: 'unavailable',
  body: '{"message":"The access check is temporarily unavailable. Try again in a moment.","code":503}',
};
export const PREFLIGHT: Refused = { status: 204, reason: 'preflight', body: '' };

const at = (sandboxId: string, port: number, sees: Arrives['sees'] = {}): Arrives => ({
  at: [sandboxId, port],
  sees,
});

/** docs/contract.md §1: the table, then the text around it. Every request has the token. */
type TargetRow = [host: string, id: string | string[], port: string | string[], expected: Arrives | Refused];
const NONE = '';
const TARGET_ROWS: readonly TargetRow[] = [
  [`49983-${ID}-6532622b.e2b.app`, NONE, NONE, at(ID, 49983)],
  [`49983-${ID}-6532622b.e2b-test.app`, NONE, NONE, at(ID, 49983)],
  [`49983-${ID}-6532622b.demo.e2b.app`, NONE, NONE, at(ID, 49983)],
  [`49983-${ID}.e2b.app`, NONE, NONE, at(ID, 49983)],
  [`${ID}.e2b.app`, NONE, NONE, INVALID_HOST],
  [`abcd-${ID}.e2b.app`, NONE, NONE, INVALID_PORT],
  [`49983-${ID}`, NONE, NONE, INVALID_HOST],
  [`49983-${ID}:8080`, NONE, NONE, INVALID_HOST],
  ['localhost:1234', ID, '8080', at(ID, 8080)],
  ['127.0.0.1:1234', ID, '8080', at(ID, 8080)],
  ['[::1]:1234', ID, '8080', at(ID, 8080)],
  ['10.0.0.5:3002', ID, '8080', at(ID, 8080)],
  ['34.120.5.10:3002', ID, '8080', at(ID, 8080)],
  ['sandbox.e2b.app', ID, '49983', at(ID, 49983)],
  ['localhost:1234', 'sbx:123', '8080', INVALID_ID],
  ['localhost:1234', 'SBX_UPPER', '8080', INVALID_ID],
  ['localhost:1234', NONE, '8080', MISSING_HEADER],
  ['localhost:1234', ID, NONE, MISSING_HEADER],
  [`49983-${ID}.e2b.app`, OTHER, '3000', at(ID, 49983)],
  ['sandbox.e2b.app', NONE, NONE, INVALID_HOST],
  ['localhost:3000', NONE, NONE, INVALID_HOST],
  ['127.0.0.1:3000', NONE, NONE, INVALID_HOST],
  // The host: case, port suffix, trailing dots, parent domains.
  [`8080-${ID.toUpperCase()}.E2B.App`, NONE, NONE, at(ID, 8080)],
  [`8080-${ID}.e2b.app:3002`, NONE, NONE, at(ID, 8080)],
  [`8080-${ID}.e2b.app.`, NONE, NONE, at(ID, 8080)],
  [`8080-${ID}.e2b.app..`, NONE, NONE, INVALID_HOST],
  [`8080-${ID}.a.b.c.e2b.app`, NONE, NONE, at(ID, 8080)],
  [`8080-${ID}.e2b.localhost`, NONE, NONE, at(ID, 8080)],
  [`8080-${ID}.deeper.e2b.localhost`, NONE, NONE, INVALID_HOST],
  [`8080-${ID}.other.app`, NONE, NONE, INVALID_HOST],
  [`8080-${ID}.note2b.app`, NONE, NONE, INVALID_HOST],
  [`abcd-${ID}.other.app`, NONE, NONE, INVALID_HOST],
  ['sandbox.other.app', ID, '8080', INVALID_HOST],
  ['SANDBOX.E2B.App', ID, '8080', at(ID, 8080)],
  ['LocalHost', ID, '8080', at(ID, 8080)],
  ['sandbox.', ID, '8080', INVALID_HOST],
  // The port, which is checked before the id.
  ...['0', '65536', '08080', '049983', '+8080', '8080x', '', '18446744073709551615'].map(
    (port): TargetRow => [`${port}-${ID}.e2b.app`, NONE, NONE, INVALID_PORT],
  ),
  ['abcd-not_an_id.e2b.app', NONE, NONE, INVALID_PORT],
  ['localhost', 'SBX_UPPER', 'abcd', INVALID_PORT],
  ['localhost', ID, '08080', INVALID_PORT],
  // The id.
  ['8080-not_an_id.e2b.app', NONE, NONE, INVALID_ID],
  ['8080-.e2b.app', NONE, NONE, INVALID_ID],
  [`8080-${'a'.repeat(64)}.e2b.app`, NONE, NONE, INVALID_ID],
  [`8080-${'a'.repeat(63)}.e2b.app`, NONE, NONE, notFound('a'.repeat(63))],
  ['localhost', ID.toUpperCase(), '8080', INVALID_ID],
  // Ambiguous values.
  ['localhost', [ID, OTHER], '8080', INVALID_HOST],
  ['localhost', [ID, ID], '8080', INVALID_HOST],
  ['localhost', ID, ['8080', '49983'], INVALID_HOST],
  ['localhost', `${ID},${OTHER}`, '8080', INVALID_HOST],
  [`8080-${OTHER}.e2b.app,8080-${ID}.e2b.app`, NONE, NONE, INVALID_HOST],
];

const named = (value: string | string[]) => (value === NONE ? 'none' : JSON.stringify(value));

export const TARGET_CASES: readonly Case[] = TARGET_ROWS.map(([host, id, port, expected]) => ({
  name: `${host} with the id ${named(id)} and the port ${named(port)}`,
  request: {
    host,
    headers: {
      ...WITH_TOKEN,
      ...(id !== NONE && { 'e2b-sandbox-id': id }),
      ...(port !== NONE && { 'e2b-sandbox-port': port }),
    },
  },
  expected,
}));

/** The host of a sandbox's port under a domain of `DOMAINS`. */
export const hostAt = (sandboxId: string, port = 8080) => `${port}-${sandboxId}.e2b.app`;

type TokenRow = [
  name: string,
  target: [sandboxId: string, port?: number],
  token: string | string[] | undefined,
  expected: Arrives | Refused,
];

/** docs/contract.md §2, step 4. */
const TOKEN_ROWS: readonly TokenRow[] = [
  ['none', [ID], undefined, missing(ID)],
  ['an empty one', [ID], '', missing(ID)],
  ['the right one', [ID], TOKEN, at(ID, 8080)],
  ['the right one on another port', [ID, 49983], TOKEN, at(ID, 49983)],
  ['none, on the agent of a sandbox whose agent does not check', [ID, 49983], undefined, missing(ID)],
  ["another sandbox's", [ID], OTHER_TOKEN, invalid(ID)],
  ["the second vector's", [SECOND], OTHER_TOKEN, at(SECOND, 8080)],
  ["the first vector's, on the second", [SECOND], TOKEN, invalid(SECOND)],
  ['the right one in capitals', [ID], TOKEN.toUpperCase(), invalid(ID)],
  ['the right one without its last character', [ID], TOKEN.slice(0, -1), invalid(ID)],
  ['the right one with another character', [ID], `${TOKEN}0`, invalid(ID)],
  ['the right one after a scheme', [ID], `Bearer ${TOKEN}`, invalid(ID)],
  ['its digest', [ID], digestOf(TOKEN), invalid(ID)],
  ['the right one twice', [ID], [TOKEN, TOKEN], invalid(ID)],
  ['the right one after a wrong one', [ID], ['x', TOKEN], invalid(ID)],
  ['the right one before a wrong one', [ID], [TOKEN, 'x'], invalid(ID)],
  ['the right one comma-joined', [ID], `${TOKEN},x`, invalid(ID)],
  ['any, if the sandbox has none', ['none'], TOKEN, invalid('none')],
  ['none, if the sandbox has none', ['none'], undefined, missing('none')],
  ['a revoked one', ['revoked'], TOKEN, invalid('revoked')],
  ['one of several', ['several'], TOKEN, at('several', 8080)],
  ['one of this incarnation', ['several'], OTHER_TOKEN, at('several', 8080)],
  ['one of another incarnation', ['several'], MORE.life, invalid('several')],
  ['one for this port', ['several', 3000], MORE.ports, at('several', 3000)],
  ['one for other ports', ['several', 49983], MORE.ports, invalid('several')],
  ['an expired one', ['several'], MORE.expired, invalid('several')],
  ['an expired one with a valid duplicate', ['several'], MORE.past, at('several', 8080)],
  ['an expired one with a duplicate for another port', ['several', 49983], MORE.past, invalid('several')],
  ['none, on a public sandbox', [OTHER], undefined, at(OTHER, 8080)],
  ['a wrong one, on a public sandbox', [OTHER], 'wrong', at(OTHER, 8080)],
  ['none, on the agent of a public sandbox', [OTHER, 49983], undefined, at(OTHER, 49983)],
  ['none, on an agent that checks its own', ['agent', 49983], undefined, at('agent', 49983)],
  ['a wrong one, on an agent that checks its own', ['agent', 49983], 'wrong', at('agent', 49983)],
  ['none, on another port of a sandbox whose agent checks its own', ['agent'], undefined, missing('agent')],
  ['a wrong one, if tokens are forwarded', ['forwarding'], 'wrong', invalid('forwarding')],
  [
    'one to be forwarded',
    ['forwarding'],
    TOKEN,
    at('forwarding', 8080, { 'e2b-traffic-access-token': TOKEN }),
  ],
  [
    'one to be forwarded, on a public sandbox',
    ['openforwarding'],
    'any',
    at('openforwarding', 8080, { 'e2b-traffic-access-token': 'any' }),
  ],
];

export const TOKEN_CASES: readonly Case[] = TOKEN_ROWS.map(([name, [sandboxId, port], value, expected]) => ({
  name: `a token: ${name}`,
  request: {
    host: hostAt(sandboxId, port),
    headers: value === undefined ? {} : { [TOKEN_HEADER]: value },
  },
  expected,
}));

/** docs/contract.md §2, step 3. */
export const STATE_CASES: readonly Case[] = [
  { name: 'no such sandbox', request: { host: hostAt('nobody') }, expected: notFound('nobody') },
  {
    name: 'no such sandbox, and a token',
    request: { host: hostAt('nobody'), headers: WITH_TOKEN },
    expected: notFound('nobody'),
  },
  {
    name: 'no such sandbox, its agent',
    request: { host: hostAt('nobody', 49983) },
    expected: notFound('nobody'),
  },
  { name: 'a paused one without a token', request: { host: hostAt('paused') }, expected: notFound('paused') },
  {
    name: 'a paused one with its token',
    request: { host: hostAt('paused'), headers: WITH_TOKEN },
    expected: notFound('paused'),
  },
  { name: 'a paused public one', request: { host: hostAt('pausedopen') }, expected: notFound('pausedopen') },
  {
    name: 'one in transition without a token',
    request: { host: hostAt('moving') },
    expected: transitioning('moving'),
  },
  {
    name: 'one in transition with a wrong token',
    request: { host: hostAt('moving'), headers: { [TOKEN_HEADER]: 'wrong' } },
    expected: transitioning('moving'),
  },
  {
    name: 'one in transition with its token',
    request: { host: hostAt('moving'), headers: WITH_TOKEN },
    expected: transitioning('moving'),
  },
  {
    name: 'a public one in transition',
    request: { host: hostAt('movingopen') },
    expected: transitioning('movingopen'),
  },
  {
    name: 'one past its end',
    request: { host: hostAt('ended'), headers: WITH_TOKEN },
    expected: notFound('ended'),
  },
  {
    name: 'one past its end and in transition',
    request: { host: hostAt('endedmoving'), headers: WITH_TOKEN },
    expected: notFound('endedmoving'),
  },
  {
    name: 'one before its end',
    request: { host: hostAt('ending'), headers: WITH_TOKEN },
    expected: at('ending', 8080),
  },
  { name: 'one that cannot be read', request: { host: hostAt('broken') }, expected: UNAVAILABLE },
];

const onAgent = (path: string, expected: Case['expected'], method?: string): Case => ({
  name: `${method ?? 'GET'} ${path} on the agent`,
  request: { host: hostAt(OTHER, 49983), path, ...(method && { method }) },
  expected,
});

/** docs/contract.md §2, step 2. */
export const CONTROL_PLANE_CASES: readonly Case[] = [
  ...['collapse', 'freeze', 'fsfreeze', 'fsthaw', 'init', 'unfreeze', 'upgrade'].map((name) =>
    onAgent(`/${name}`, internal(`/${name}`)),
  ),
  ...['POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS'].map((method) =>
    onAgent('/init', internal('/init'), method),
  ),
  ...(
    [
      ['/init?x=1', '/init'],
      ['/%69nit', '/init'],
      ['/%69%6E%69%74?a=%00', '/init'],
      ['//init', '//init'],
      ['/./init', '/./init'],
      ['/files/../init', '/files/../init'],
      ['/files/%2e%2e/init', '/files/../init'],
      ['/files%2f..%2finit', '/files/../init'],
      ['/../init', '/../init'],
      ['/init/', '/init/'],
      ['/init//', '/init//'],
      ['/init/.', '/init/.'],
      ['/init;x', '/init;x'],
      ['/%3Ca%3E&b/../init', '/\\u003ca\\u003e\\u0026b/../init'],
    ] as const
  ).map(([path, shown]) => onAgent(path, internal(shown))),
  ...['/', '/initialize', '/init/x', '/INIT', '/%2569nit', '/files?path=/init', '/xinit'].map((path) =>
    onAgent(path, at(OTHER, 49983)),
  ),
  ...[ID, 'nobody', 'paused', 'moving', 'broken', 'agent'].map((sandboxId) => ({
    name: `/init on the agent of ${sandboxId}, before any look-up`,
    request: { host: hostAt(sandboxId, 49983), path: '/init' },
    expected: internal('/init'),
  })),
  {
    name: '/init on another port',
    request: { host: hostAt(OTHER), path: '/init' },
    expected: at(OTHER, 8080),
  },
];

/** docs/contract.md §2, step 5, and the rest of what a sandbox receives. */
export const UPSTREAM_CASES: readonly Case[] = [
  {
    name: 'a mask with the port',
    request: { host: hostAt('masked') },
    expected: at('masked', 8080, { host: 'localhost:8080', 'x-forwarded-host': hostAt('masked') }),
  },
  {
    name: "a mask, with a port in the client's Host",
    request: { host: `${hostAt('masked')}:3002`, headers: { 'x-forwarded-host': 'forged' } },
    expected: at('masked', 8080, { host: 'localhost:8080', 'x-forwarded-host': `${hostAt('masked')}:3002` }),
  },
  {
    name: 'a mask that does not name the port',
    request: { host: hostAt('maskedplain'), headers: WITH_TOKEN },
    expected: at('maskedplain', 8080, { host: 'App.example', 'x-forwarded-host': hostAt('maskedplain') }),
  },
  {
    name: 'a mask does not apply to the agent',
    request: { host: hostAt('masked', 49983) },
    expected: at('masked', 49983, { 'x-forwarded-host': undefined }),
  },
  {
    name: 'a mask on the shared host',
    request: {
      host: 'sandbox.e2b.app',
      headers: { 'e2b-sandbox-id': 'masked', 'e2b-sandbox-port': '8080' },
    },
    expected: at('masked', 8080, { host: 'localhost:8080', 'x-forwarded-host': 'sandbox.e2b.app' }),
  },
  {
    name: 'a node proxy gets the canonical Host',
    request: { host: '8080-NODE-6532622b.Demo.e2b.app.:3002', headers: WITH_TOKEN },
    expected: at('node', 5007, {
      host: '8080-node.demo.e2b.app',
      'x-forwarded-host': '8080-NODE-6532622b.Demo.e2b.app.:3002',
      ...WITH_TOKEN,
    }),
  },
  {
    name: 'a node proxy gets requests to the agent too',
    request: { host: hostAt('node', 49983), headers: WITH_TOKEN },
    expected: at('node', 5007, { host: hostAt('node', 49983), ...WITH_TOKEN }),
  },
  {
    name: 'a node proxy, on the shared host',
    request: {
      host: 'sandbox.e2b.app',
      headers: { ...WITH_TOKEN, 'e2b-sandbox-id': 'node', 'e2b-sandbox-port': '3000' },
    },
    expected: at('node', 5007, {
      host: '3000-node.e2b.app',
      'x-forwarded-host': 'sandbox.e2b.app',
      ...WITH_TOKEN,
    }),
  },
  {
    name: 'a node proxy, on an IP address: gets the first domain',
    request: {
      host: '127.0.0.1:3002',
      headers: { ...WITH_TOKEN, 'e2b-sandbox-id': 'node', 'e2b-sandbox-port': '3000' },
    },
    expected: at('node', 5007, {
      host: '3000-node.e2b.localhost',
      'x-forwarded-host': '127.0.0.1:3002',
      ...WITH_TOKEN,
    }),
  },
  {
    name: 'a node proxy, without a token',
    request: { host: hostAt('node') },
    expected: missing('node'),
  },
  {
    name: "the client's own headers arrive",
    request: {
      host: hostAt(OTHER),
      path: '/a//b/../c?d=%2F',
      headers: { 'x-mine': 'e' },
    },
    expected: at(OTHER, 8080, { 'x-mine': 'e' }),
  },
  {
    name: 'a public sandbox does not receive token or routing headers',
    request: {
      host: hostAt(OTHER),
      headers: { [TOKEN_HEADER]: 'own', 'e2b-sandbox-id': 'x', 'e2b-sandbox-port': '1' },
    },
    expected: at(OTHER, 8080),
  },
];

const PREFLIGHT_HEADERS = { origin: 'https://page.example', 'access-control-request-method': 'PUT' };
const preflight = (
  name: string,
  host: string,
  expected: Case['expected'],
  over: Partial<ClientRequest> = {},
): Case => ({
  name: `a preflight: ${name}`,
  request: {
    host,
    method: 'OPTIONS',
    ...over,
    headers: { ...PREFLIGHT_HEADERS, 'access-control-request-headers': TOKEN_HEADER, ...over.headers },
  },
  expected,
});

/** docs/contract.md §2, step 0. */
export const PREFLIGHT_CASES: readonly Case[] = [
  preflight('a restricted port', hostAt(ID), PREFLIGHT),
  preflight('a restricted port with a wrong token', hostAt(ID), PREFLIGHT, {
    headers: { [TOKEN_HEADER]: 'wrong' },
  }),
  preflight('a restricted agent', hostAt(ID, 49983), PREFLIGHT),
  preflight('no such sandbox', hostAt('nobody'), PREFLIGHT),
  preflight('a paused one', hostAt('paused'), PREFLIGHT),
  preflight('a paused public one', hostAt('pausedopen'), PREFLIGHT),
  preflight('one in transition', hostAt('moving'), PREFLIGHT),
  preflight('one past its end', hostAt('ended'), PREFLIGHT),
  preflight('a control-plane path', hostAt(OTHER, 49983), PREFLIGHT, { path: '/init' }),
  preflight('an invalid host', `${ID}.e2b.app`, PREFLIGHT),
  preflight('an unknown parent domain', `8080-${ID}.other.app`, PREFLIGHT),
  preflight('an invalid port', `abcd-${ID}.e2b.app`, PREFLIGHT),
  preflight('an invalid id', '8080-not_an_id.e2b.app', PREFLIGHT),
  preflight('a missing header', 'localhost', PREFLIGHT, { headers: { 'e2b-sandbox-id': ID } }),
  preflight('a policy that cannot be read', hostAt('broken'), UNAVAILABLE),
  preflight('a restricted port with its token', hostAt(ID), at(ID, 8080), { headers: WITH_TOKEN }),
  preflight('a public port', hostAt(OTHER), at(OTHER, 8080, PREFLIGHT_HEADERS)),
  preflight('an agent that checks its own', hostAt('agent', 49983), at('agent', 49983)),
  {
    name: 'OPTIONS without Access-Control-Request-Method',
    request: { host: hostAt(ID), method: 'OPTIONS', headers: { origin: 'https://page.example' } },
    expected: missing(ID),
  },
  {
    name: 'OPTIONS without Origin',
    request: { host: hostAt(ID), method: 'OPTIONS', headers: { 'access-control-request-method': 'PUT' } },
    expected: missing(ID),
  },
  {
    name: 'GET with the headers of a preflight',
    request: { host: hostAt(ID), headers: PREFLIGHT_HEADERS },
    expected: missing(ID),
  },
];

export const ORDER_CASES: readonly Case[] = [
  ...STATE_CASES,
  ...TOKEN_CASES,
  ...CONTROL_PLANE_CASES,
  ...UPSTREAM_CASES,
  ...PREFLIGHT_CASES,
];

/** docs/contract.md §3: the page in a browser, for each row of the table that is not reserved. */
export const TITLED: readonly [title: string, one: Case][] = [
  [
    'Missing Traffic Access Token',
    { name: 'token missing', request: { host: hostAt(ID) }, expected: missing(ID) },
  ],
  [
    'Invalid Traffic Access Token',
    {
      name: 'token invalid',
      request: { host: hostAt(ID), headers: { [TOKEN_HEADER]: 'wrong' } },
      expected: invalid(ID),
    },
  ],
  [
    'Sandbox Not Found',
    { name: 'sandbox not found', request: { host: hostAt('nobody') }, expected: notFound('nobody') },
  ],
  [
    'Sandbox Not Found',
    { name: 'not running', request: { host: hostAt('paused') }, expected: notFound('paused') },
  ],
  [
    'Sandbox Not Found',
    {
      name: 'not running, with its token',
      request: { host: hostAt('paused'), headers: WITH_TOKEN },
      expected: notFound('paused'),
    },
  ],
  [
    'Sandbox Not Found',
    {
      name: 'past its end',
      request: { host: hostAt('ended'), headers: WITH_TOKEN },
      expected: notFound('ended'),
    },
  ],
  [
    'Closed Port Error',
    { name: 'port closed', request: { host: hostAt(OTHER, 9) }, expected: closed(OTHER, 9) },
  ],
  [
    'Endpoint Not Available',
    {
      name: 'control-plane path',
      request: { host: hostAt(ID, 49983), path: '/init' },
      expected: internal('/init'),
    },
  ],
  [
    'Sandbox Still Transitioning',
    { name: 'still transitioning', request: { host: hostAt('moving') }, expected: transitioning('moving') },
  ],
  [
    'Temporarily Unavailable',
    { name: 'cannot decide', request: { host: hostAt('broken') }, expected: UNAVAILABLE },
  ],
];
