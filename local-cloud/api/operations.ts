import type { z } from 'zod';
import type { Birth } from '../lifecycle/birth.ts';
import { type Entry, TEMPLATE } from '../lifecycle/entry.ts';
import type { Life } from '../lifecycle/life.ts';
import { shortId } from '../sandbox-id.ts';
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
/** What a body that names none means, in seconds, and whether the agent then asks for its token. */
const DEFAULTS = { v1: { life: 15, secure: false }, v2: { life: 300, secure: true } } as const;

/** One request, read so far: the body may be anything. `domain`: of the sandbox's URLs, for whoever asks. */
export interface Asked {
  id: string;
  body: unknown;
  query: unknown;
  domain: string;
}

export type Version = keyof typeof DEFAULTS;

/** E2B's sandbox API over a `Life`: status codes and texts as its SDKs know them. */
export class Operations {
  readonly #life: Life;
  readonly #tokens: Tokens;

  constructor(life: Life, tokens: Tokens) {
    this.#life = life;
    this.#tokens = tokens;
  }

  create({ body, domain }: Asked, version: Version): Promise<Answer> {
    return reading(createSchema, body, async (asked) => {
      const { life, secure: always } = DEFAULTS[version];
      const { templateID, timeout = life, secure = always, network, metadata = {}, envVars = {} } = asked;
      if (templateID !== TEMPLATE) return refusal(404, `template '${templateID}' not found`);
      const allowPublicTraffic = network?.allowPublicTraffic ?? true;
      if (!allowPublicTraffic && !secure) return refusal(400, NEEDS_SECURE);
      const maskRequestHost = network?.maskRequestHost ?? undefined;
      const rest = { metadata, envVars, network: network ?? undefined, autoPause: asked.autoPause === true };
      const birth: Birth = { ...rest, lifeMs: timeout * 1000, secure, allowPublicTraffic, maskRequestHost };
      return this.#created(201, await this.#life.create(birth), domain);
    });
  }

  connect({ id, body, domain }: Asked, version: Version): Promise<Answer> {
    return this.#known(id, (sandboxId) =>
      reading(connectSchema, body ?? {}, async ({ timeout = DEFAULTS[version].life }) => {
        const resumed = await this.#life.resume(sandboxId, timeout * 1000);
        if (resumed) return this.#created(201, resumed, domain);
        const entry = await this.#life.extend(sandboxId, timeout * 1000, false);
        return entry ? this.#created(200, entry, domain) : notFound(sandboxId);
      }),
    );
  }

  resume({ id, body, domain }: Asked): Promise<Answer> {
    return this.#known(id, (sandboxId) =>
      reading(resumeSchema, body ?? {}, async ({ timeout = DEFAULTS.v1.life, autoPause }) => {
        const resumed = await this.#life.resume(sandboxId, timeout * 1000, autoPause);
        if (resumed === undefined) return notFound(sandboxId);
        if (!resumed) return refusal(409, `Sandbox ${sandboxId} is already running`);
        return this.#created(201, resumed, domain);
      }),
    );
  }

  pause({ id }: Asked): Promise<Answer> {
    return this.#known(id, async (sandboxId) => {
      const paused = await this.#life.pause(sandboxId);
      if (paused === undefined) return notFound(sandboxId);
      const already = `Error pausing sandbox - sandbox '${sandboxId}' is already paused`;
      return paused ? NO_CONTENT : refusal(409, already);
    });
  }

  timeout({ id, body }: Asked): Promise<Answer> {
    return this.#known(id, (sandboxId) =>
      reading(timeoutSchema, body, async ({ timeout }) => {
        if (this.#life.get(sandboxId)?.state !== 'running') return notFound(sandboxId);
        const entry = await this.#life.extend(sandboxId, timeout * 1000, true);
        return entry ? NO_CONTENT : notFound(sandboxId);
      }),
    );
  }

  network({ id, body }: Asked): Promise<Answer> {
    return this.#known(id, (sandboxId) =>
      reading(networkSchema, body, async (asked) => {
        const entry = this.#life.get(sandboxId);
        if (entry === undefined) return notFound(sandboxId);
        if (asked.allowPublicTraffic === false && !entry.secure) return refusal(400, NEEDS_SECURE);
        const changed = await this.#life.setNetwork(sandboxId, networkChange(asked));
        return changed ? NO_CONTENT : notFound(sandboxId);
      }),
    );
  }

  kill({ id }: Asked): Promise<Answer> {
    return this.#known(id, async (sandboxId) =>
      (await this.#life.kill(sandboxId)) ? NO_CONTENT : notFound(sandboxId),
    );
  }

  get({ id, domain }: Asked): Promise<Answer> {
    return this.#known(id, async (sandboxId) => {
      const entry = this.#life.get(sandboxId);
      return entry ? { status: 200, body: detailView(entry, domain, this.#tokens) } : notFound(sandboxId);
    });
  }

  /** v1 has no pages and shows what runs. */
  list({ query }: Asked, version: Version): Promise<Answer> {
    return reading(listQuery, query, async (asked) => {
      const wanted = version === 'v1' ? { ...asked, state: ['running' as const], limit: Infinity } : asked;
      const { entries, nextToken } = pageOf(this.#life.all(), wanted);
      const headers = nextToken === undefined ? {} : { 'x-next-token': nextToken };
      return { status: 200, body: entries.map(listedView), headers };
    });
  }

  #created(status: number, entry: Entry, domain: string): Answer {
    return { status, body: createdView(entry, domain, this.#tokens) };
  }

  async #known(id: string, answer: (sandboxId: string) => Promise<Answer>): Promise<Answer> {
    const sandboxId = shortId(id);
    return sandboxId === undefined ? INVALID_ID : answer(sandboxId);
  }
}

/** Rules about what it may reach are replaced as one; who may reach it stays as it was where nothing is said. */
function networkChange(asked: NetworkRequest): Parameters<Life['setNetwork']>[1] {
  const { allowPublicTraffic, maskRequestHost, ...rules } = asked;
  return {
    network: rules,
    ...(allowPublicTraffic !== undefined && { allowPublicTraffic }),
    ...(maskRequestHost !== undefined && { maskRequestHost: maskRequestHost ?? undefined }),
  };
}

async function reading<S extends z.ZodType>(
  schema: S,
  input: unknown,
  answer: (read: z.output<S>) => Promise<Answer>,
): Promise<Answer> {
  const read = schema.safeParse(input);
  return read.success ? answer(read.data) : refusal(400, faultText(read.error));
}
