import type { z } from 'zod';
import type { CreateOptions, Lifecycle } from '../lifecycle/lifecycle.ts';
import { type SandboxEntry, TEMPLATE } from '../lifecycle/sandbox-entry.ts';
import { shortId } from '../sandbox-id.ts';
import type { CloudSettings } from '../settings.ts';
import { type Answer, INVALID_ID, NO_CONTENT, notFound, refusal } from './answer.ts';
import { listQuery, pageOf } from './listing.ts';
import {
  connectSchema,
  createSchema,
  faultText,
  type NetworkRequest,
  networkSchema,
  resumeSchema,
  timeoutSchema,
} from './requests.ts';
import { createdView, detailView, listedView, type Tokens } from './views.ts';

const NEEDS_SECURE =
  "You cannot create a sandbox without public access unless you enable secure envd access via 'secure' flag.";
/** Defaults of `timeout` (seconds) and `secure`, which differ between the API versions. */
const DEFAULTS = { v1: { timeout: 15, secure: false }, v2: { timeout: 300, secure: true } } as const;

/** A request whose body and query are not validated yet. `domain`: the domain of sandbox URLs for this client. */
export interface ApiRequest {
  id: string;
  body: unknown;
  query: unknown;
  domain: string;
}

export type Version = keyof typeof DEFAULTS;

/** E2B's sandbox API over a `Lifecycle`: status codes and texts as its SDKs know them. */
export class Operations {
  readonly #lifecycle: Lifecycle;
  readonly #tokens: Tokens;
  readonly #defaultAccess: CloudSettings['defaultAccess'];

  constructor(lifecycle: Lifecycle, tokens: Tokens, defaultAccess: CloudSettings['defaultAccess']) {
    this.#lifecycle = lifecycle;
    this.#tokens = tokens;
    this.#defaultAccess = defaultAccess;
  }

  create({ body, domain }: ApiRequest, version: Version): Promise<Answer> {
    return validated(createSchema, body, async (request) => {
      const defaults = DEFAULTS[version];
      const { templateID, timeout = defaults.timeout, secure = defaults.secure } = request;
      const { network, metadata = {}, envVars = {} } = request;
      if (templateID !== TEMPLATE) return refusal(404, `template '${templateID}' not found`);
      const allowPublicTraffic = network?.allowPublicTraffic ?? this.#defaultAccess === 'public';
      if (!allowPublicTraffic && !secure) return refusal(400, NEEDS_SECURE);
      const maskRequestHost = network?.maskRequestHost ?? undefined;
      const rest = {
        metadata,
        envVars,
        network: network ?? undefined,
        autoPause: request.autoPause === true,
      };
      const options: CreateOptions = {
        ...rest,
        timeoutMs: timeout * 1000,
        secure,
        allowPublicTraffic,
        maskRequestHost,
      };
      return this.#created(201, await this.#lifecycle.create(options), domain);
    });
  }

  connect({ id, body, domain }: ApiRequest, version: Version): Promise<Answer> {
    return this.#forSandbox(id, (sandboxId) =>
      validated(connectSchema, body ?? {}, async ({ timeout = DEFAULTS[version].timeout }) => {
        const resumed = await this.#lifecycle.resume(sandboxId, timeout * 1000);
        if (resumed) return this.#created(201, resumed, domain);
        const entry = await this.#lifecycle.extend(sandboxId, timeout * 1000, false);
        return entry ? this.#created(200, entry, domain) : notFound(sandboxId);
      }),
    );
  }

  resume({ id, body, domain }: ApiRequest): Promise<Answer> {
    return this.#forSandbox(id, (sandboxId) =>
      validated(resumeSchema, body ?? {}, async ({ timeout = DEFAULTS.v1.timeout, autoPause }) => {
        const resumed = await this.#lifecycle.resume(sandboxId, timeout * 1000, autoPause);
        if (resumed === undefined) return notFound(sandboxId);
        if (!resumed) return refusal(409, `Sandbox ${sandboxId} is already running`);
        return this.#created(201, resumed, domain);
      }),
    );
  }

  pause({ id }: ApiRequest): Promise<Answer> {
    return this.#forSandbox(id, async (sandboxId) => {
      const paused = await this.#lifecycle.pause(sandboxId);
      if (paused === undefined) return notFound(sandboxId);
      const already = `Error pausing sandbox - sandbox '${sandboxId}' is already paused`;
      return paused ? NO_CONTENT : refusal(409, already);
    });
  }

  timeout({ id, body }: ApiRequest): Promise<Answer> {
    return this.#forSandbox(id, (sandboxId) =>
      validated(timeoutSchema, body, async ({ timeout }) => {
        if (this.#lifecycle.get(sandboxId)?.state !== 'running') return notFound(sandboxId);
        const entry = await this.#lifecycle.extend(sandboxId, timeout * 1000, true);
        return entry ? NO_CONTENT : notFound(sandboxId);
      }),
    );
  }

  network({ id, body }: ApiRequest): Promise<Answer> {
    return this.#forSandbox(id, (sandboxId) =>
      validated(networkSchema, body, async (request) => {
        const entry = this.#lifecycle.get(sandboxId);
        if (entry === undefined) return notFound(sandboxId);
        if (request.allowPublicTraffic === false && !entry.secure) return refusal(400, NEEDS_SECURE);
        const changed = await this.#lifecycle.setNetwork(sandboxId, networkChange(request));
        return changed ? NO_CONTENT : notFound(sandboxId);
      }),
    );
  }

  kill({ id }: ApiRequest): Promise<Answer> {
    return this.#forSandbox(id, async (sandboxId) =>
      (await this.#lifecycle.kill(sandboxId)) ? NO_CONTENT : notFound(sandboxId),
    );
  }

  get({ id, domain }: ApiRequest): Promise<Answer> {
    return this.#forSandbox(id, async (sandboxId) => {
      const entry = this.#lifecycle.get(sandboxId);
      return entry ? { status: 200, body: detailView(entry, domain, this.#tokens) } : notFound(sandboxId);
    });
  }

  /** v1 has no pages and lists only running sandboxes. */
  list({ query }: ApiRequest, version: Version): Promise<Answer> {
    return validated(listQuery, query, async (request) => {
      const wanted =
        version === 'v1' ? { ...request, state: ['running' as const], limit: Infinity } : request;
      const { entries, nextToken } = pageOf(this.#lifecycle.all(), wanted);
      const headers = nextToken === undefined ? {} : { 'x-next-token': nextToken };
      return { status: 200, body: entries.map(listedView), headers };
    });
  }

  #created(status: number, entry: SandboxEntry, domain: string): Answer {
    return { status, body: createdView(entry, domain, this.#tokens) };
  }

  async #forSandbox(id: string, answer: (sandboxId: string) => Promise<Answer>): Promise<Answer> {
    const sandboxId = shortId(id);
    return sandboxId === undefined ? INVALID_ID : answer(sandboxId);
  }
}

/** Egress rules are replaced as a whole; `allowPublicTraffic` and `maskRequestHost` change only if they are given. */
function networkChange(request: NetworkRequest): Parameters<Lifecycle['setNetwork']>[1] {
  const { allowPublicTraffic, maskRequestHost, ...rules } = request;
  return {
    network: rules,
    ...(allowPublicTraffic != null && { allowPublicTraffic }),
    ...(maskRequestHost !== undefined && { maskRequestHost: maskRequestHost ?? undefined }),
  };
}

async function validated<S extends z.ZodType>(
  schema: S,
  input: unknown,
  answer: (data: z.output<S>) => Promise<Answer>,
): Promise<Answer> {
  const parsed = schema.safeParse(input);
  return parsed.success ? answer(parsed.data) : refusal(400, faultText(parsed.error));
}
