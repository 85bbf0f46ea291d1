import { parseHost } from '../target/host.ts';

// As DNS has it. A token is 64 characters, so none passes for a label.
const LONGEST_LABEL = 63;
const LONGEST_NAME = 253;

/** A Host or `:authority` as a log may hold it: the name alone. Undefined for what is no host. */
export function logHost(authority: string): string | undefined {
  // Behind the last `@`: what is before it is a user and a password.
  const name = parseHost(authority.slice(authority.lastIndexOf('@') + 1))?.name;
  if (name === undefined || name.length > LONGEST_NAME) return undefined;
  return name.split('.').some((label) => label.length > LONGEST_LABEL) ? undefined : name;
}
