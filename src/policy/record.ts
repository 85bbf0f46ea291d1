import { z } from 'zod';
import { hasHidden } from '../printable.ts';
import { AGENT_PORT } from '../target/target.ts';
import { isHostMask } from './mask.ts';

/**
 * The policy record, field by field: `put.ts` reads it as people and control planes write it, `compile.ts` as a store
 * holds it. Messages complete a sentence that begins with the field's name; none contains a value.
 *
 * During an upgrade, gates of two versions read the same records. So a field that is added is optional, has no default
 * and is never filled in: absent means what it meant before. And the rules for stored records never become stricter,
 * or policies stop working on the day of an upgrade; a stricter rule is for puts only.
 */
const name = z
  .string()
  .regex(/^[A-Za-z0-9._-]{1,64}$/, 'must be 1 to 64 of A-Z, a-z, 0-9, dot, underscore, dash');
const digest = z.string().regex(/^[0-9a-f]{64}$/, 'must be a SHA-256 as 64 lower-case hex characters');
const version = z.string().regex(/^[0-9a-f]{16}\.\d{1,15}$/, 'must be a version that this store printed');
const timeFault = 'must be an RFC 3339 time with a zone, such as 2030-01-31T12:00:00Z';
// Zod lets the seconds be left out; RFC 3339 does not.
const time = z.iso
  .datetime({ offset: true, error: timeFault })
  .regex(/T\d\d:\d\d:\d\d/, timeFault)
  .meta({ format: 'date-time' });
const portNumber = z
  .int('must be a port from 1 to 65535')
  .min(1, 'must be at least 1')
  .max(65535, 'must be at most 65535');

const route = z
  .strictObject({
    address: z.string(),
    port: portNumber.optional(),
    tlsPorts: z
      .array(
        portNumber.refine(
          (port) => port !== AGENT_PORT,
          `must not be ${AGENT_PORT}: the agent does not use TLS`,
        ),
      )
      .max(256, 'must list at most 256 ports')
      .optional(),
  })
  .refine(({ port, tlsPorts }) => port === undefined || tlsPorts === undefined, {
    path: ['tlsPorts'],
    message: 'cannot go with `port`: the node proxy dials the sandbox, not Envoy',
  });

const runtime = {
  incarnation: name,
  state: z.enum(['running', 'paused', 'transitioning']),
  route: route.optional(),
  agent: z.literal('self-authenticating').optional(),
  endsAt: time.optional(),
  version,
};

const token = {
  id: name,
  sha256: digest,
  label: z
    .string()
    .max(128, 'must be at most 128 characters')
    .regex(/^\P{Cc}*$/u, 'must not hold control characters')
    .optional(),
  createdAt: time,
  expiresAt: time.optional(),
  ports: z.array(portNumber).max(256, 'must list at most 256 ports').optional(),
  incarnation: name.optional(),
};

/** Shadow mode allows requests that would be denied, so it must always end on its own. */
export const SHADOW_MAX_MS = 7 * 24 * 3600 * 1000;

const REVOKED_MAX = 1024;
export const TOKENS_MAX = 64;
export const tooManyTokens = `must list at most ${TOKENS_MAX} tokens`;
const access = {
  allowPublicTraffic: z.boolean(),
  revoked: z
    .array(digest)
    .max(REVOKED_MAX, `must list at most ${REVOKED_MAX} digests; only a delete clears them`),
  maskRequestHost: z
    .string()
    .max(255, 'must be at most 255 characters')
    .refine(isHostMask, 'must be a host name or an IP with an optional port, once the port is filled in')
    .optional(),
  shadowUntil: time.optional(),
  upstreamToken: z.enum(['strip', 'forward']),
  version,
};

const containsSecret = (text: string) => /[0-9a-f]{64}/i.test(text);
const hiddenFault =
  'must not hold control, format or separator characters: they hide what lists and logs show';
const secretFault = 'must not hold a token or a digest: lists and logs show it';

/** A token in a put. Its id is part of a URL path, and lists and logs show both id and label. */
export const putTokenSchema = z.strictObject({
  ...token,
  id: name
    .refine((id) => !containsSecret(id), secretFault)
    .refine((id) => !/^\.+$/.test(id), 'must not be dots alone'),
  // A stored label may still have some of them: a token must not stop working because the rule is newer than it.
  label: token.label
    .refine((label) => label === undefined || !containsSecret(label), secretFault)
    .refine((label) => label === undefined || !hasHidden(label), hiddenFault),
  createdAt: time.optional(),
});

function withUniqueIds(tokens: { id: string }[], context: z.RefinementCtx): void {
  const seen = new Set<string>();
  tokens.forEach(({ id }, index) => {
    if (seen.has(id))
      context.addIssue({ code: 'custom', path: [index, 'id'], message: 'repeats the id of another token' });
    seen.add(id);
  });
}

/** The id in a record, a URL path or a file name. */
export const sandboxIdSchema = z.string().regex(/^[a-z0-9]{1,63}$/, 'must be 1 to 63 of a-z, 0-9');

/** A put: fields with defaults may be omitted; an absent part stays as stored. */
export const putSchema = z.strictObject({
  /** For editors, which complete and check the file with it. Never stored. */
  $schema: z.string().optional(),
  schema: z.literal(1).optional(),
  sandboxId: sandboxIdSchema,
  runtime: z
    .strictObject({
      ...runtime,
      incarnation: name.optional(),
      state: runtime.state.default('running'),
      version: version.optional(),
    })
    .optional(),
  access: z
    .strictObject({
      ...access,
      allowPublicTraffic: access.allowPublicTraffic.default(false),
      tokens: z.array(putTokenSchema).max(TOKENS_MAX, tooManyTokens).superRefine(withUniqueIds).default([]),
      revoked: access.revoked.default([]),
      upstreamToken: access.upstreamToken.default('strip'),
      version: version.optional(),
    })
    .optional(),
});

/** A stored token. Each is read separately: one that cannot be read never matches and does not affect the others. */
export const storedTokenSchema = z.strictObject(token);

/** A stored record: every field with a default is present, and there are no fields that this version does not know. */
export const storedSchema = z.strictObject({
  schema: z.literal(1),
  sandboxId: sandboxIdSchema,
  runtime: z.strictObject(runtime),
  access: z.strictObject({ ...access, tokens: z.array(z.unknown()).max(TOKENS_MAX, tooManyTokens) }),
});

/** A put as `put.ts` returns it, with defaults filled in. An absent part stays as stored. */
export interface PolicyPut extends Omit<z.infer<typeof putSchema>, '$schema' | 'schema'> {
  /** Refuse the put with VERSION_CONFLICT if this id already has a policy. */
  create?: true;
}
export type RuntimePut = NonNullable<PolicyPut['runtime']>;
export type AccessPut = NonNullable<PolicyPut['access']>;

/** A stored record that `storedSchema` accepted. Its tokens are still to be read, each separately. */
export type StoredRecord = z.infer<typeof storedSchema>;
export type StoredRuntime = StoredRecord['runtime'];
export type StoredAccess = StoredRecord['access'];
export type StoredToken = z.infer<typeof storedTokenSchema>;
export type PartName = 'runtime' | 'access';

/** An object that no schema has checked: each field may be missing or have any value. */
export type Unread<Fields> = { readonly [Field in keyof Fields]?: unknown };

/** A record as a store holds it. A gate must not use it before `compile.ts` has checked it. */
export type UnreadRecord = Unread<StoredRecord>;

/** A part of an unread record; an empty object if the record does not have it. */
export function unreadPart(record: UnreadRecord, name: PartName): Unread<StoredRuntime & StoredAccess> {
  const part = record[name];
  return typeof part === 'object' && part !== null ? part : {};
}
