import { formatApiUrl } from '../../address.ts';
import { ERROR_CODES, type ErrorCode, SandgateError } from '../../errors.ts';
import { type PartName, sandboxIdSchema, type UnreadRecord } from '../../policy/record.ts';
import { sandboxUnknown } from '../../policy/store.ts';
import { parseOwnJson } from '../../policy/strict-json.ts';
import { printableLine } from '../../printable.ts';
import type {
  InForceAt,
  ListPage,
  ListRequest,
  Minted,
  MintRequest,
  PolicyAdmin,
  Rotated,
  RotateRequest,
  TokenInfo,
  Written,
} from '../policy-admin.ts';
import { BODY_MAX } from '../schemas.ts';
import { type ApiEndpoint, type Exchange, exchange } from './http-exchange.ts';

/** The policy API of a gate, over HTTP. */
export class HttpPolicyAdmin implements PolicyAdmin {
  readonly #endpoint: ApiEndpoint;

  constructor(endpoint: ApiEndpoint) {
    this.#endpoint = endpoint;
  }

  async get(sandboxId: string): Promise<UnreadRecord> {
    return this.#call('GET', policyPath(sandboxId));
  }

  async list({ after, limit, state, idPrefix }: ListRequest): Promise<ListPage> {
    const given = Object.entries({ limit: String(limit), after, state, idPrefix });
    const query = new URLSearchParams(
      given.filter((pair): pair is [string, string] => pair[1] !== undefined),
    );
    return this.#call('GET', `/v1/policies?${query}`);
  }

  async put(records: readonly unknown[], { create = false } = {}): Promise<Written> {
    return this.#call('POST', `/v1/policies${create ? '?create=true' : ''}`, records);
  }

  async putPart(sandboxId: string, part: PartName, input: unknown, expected?: string): Promise<Written> {
    const headers = expected === undefined ? {} : { 'if-match': `"${expected}"` };
    return this.#call('PUT', `${policyPath(sandboxId)}/${part}`, input, headers);
  }

  async delete(sandboxId: string): Promise<InForceAt> {
    return this.#call('DELETE', policyPath(sandboxId));
  }

  async listTokens(sandboxId: string): Promise<TokenInfo[]> {
    return (await this.#call<{ tokens: TokenInfo[] }>('GET', tokensPath(sandboxId))).tokens;
  }

  async mintToken(sandboxId: string, request: MintRequest): Promise<Minted> {
    return this.#call('POST', tokensPath(sandboxId), request);
  }

  async revokeToken(sandboxId: string, tokenId: string): Promise<{ revoked: TokenInfo } & InForceAt> {
    return this.#call('DELETE', tokenPath(sandboxId, tokenId));
  }

  async rotateToken(sandboxId: string, tokenId: string, request: RotateRequest): Promise<Rotated> {
    return this.#call('POST', `${tokenPath(sandboxId, tokenId)}/rotate`, request);
  }

  async #call<T>(
    method: Exchange['method'],
    path: string,
    input?: unknown,
    headers: Record<string, string> = {},
  ): Promise<T> {
    const body = input === undefined ? undefined : JSON.stringify(input);
    if (body !== undefined && Buffer.byteLength(body) > BODY_MAX) throw tooLarge();
    const answer = await exchange(this.#endpoint, {
      method,
      path,
      headers,
      ...(body !== undefined && { body }),
    });
    const json = parsed(answer.text);
    if (answer.status >= 200 && answer.status < 300 && json !== undefined) return json as T;
    throw faultOf(json) ?? this.#foreign(answer.status);
  }

  #foreign(status: number): SandgateError {
    const message = `${formatApiUrl(this.#endpoint.at)} answered ${status} and does not look like a policy API`;
    return new SandgateError('API_UNREACHABLE', message, {
      remedy: 'make --policy-api-url (SANDGATE_POLICY_API_URL) name the policy API of a gate',
    });
  }
}

/** An invalid id must never become part of a path, in which it could name something else. */
function policyPath(sandboxId: string): string {
  if (!sandboxIdSchema.safeParse(sandboxId).success) {
    throw sandboxUnknown(sandboxId);
  }
  return `/v1/policies/${sandboxId}`;
}

const tokensPath = (sandboxId: string) => `${policyPath(sandboxId)}/tokens`;

function tokenPath(sandboxId: string, tokenId: string): string {
  const base = tokensPath(sandboxId);
  if (!/^[A-Za-z0-9._-]{1,64}$/.test(tokenId) || /^\.+$/.test(tokenId)) {
    throw new SandgateError('TOKEN_UNKNOWN', `${sandboxId} has no token with that id`, {
      field: 'tokenId',
      remedy: `see \`sandgate token list ${sandboxId}\``,
    });
  }
  return `${base}/${tokenId}`;
}

function parsed(text: string): unknown {
  const read = parseOwnJson(text);
  return 'value' in read ? read.value : undefined;
}

/** The error that the server reported; undefined if the body is not an error of a policy API. */
function faultOf(body: unknown): SandgateError | undefined {
  const { code, message, field, currentVersion, remedy } = (body ?? {}) as Record<string, unknown>;
  if (typeof code !== 'string' || !Object.hasOwn(ERROR_CODES, code) || typeof message !== 'string')
    return undefined;
  return new SandgateError(code as ErrorCode, printableLine(message), {
    ...(typeof field === 'string' && { field }),
    ...(typeof currentVersion === 'string' && { currentVersion }),
    ...(typeof remedy === 'string' && { remedy: printableLine(remedy) }),
  });
}

function tooLarge(): SandgateError {
  return new SandgateError(
    'REQUEST_TOO_LARGE',
    `the policies exceed the ${BODY_MAX} bytes that the policy API accepts in one request`,
    {
      remedy: 'write them as one JSON object per line and use `sandgate policy import --no-verify`',
    },
  );
}
