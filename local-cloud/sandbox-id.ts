const ALPHABET = 'abcdefghijklmnopqrstuvwxyz0123456789';
const LENGTH = 20;
/** Bytes from here on would favour the first letters. */
const FAIR = 256 - (256 % ALPHABET.length);

/** `i` and 20 of `[a-z0-9]`, as E2B makes them. */
export function newSandboxId(random: (bytes: number) => Buffer): string {
  let id = 'i';
  while (id.length <= LENGTH) {
    for (const byte of random(32)) {
      if (byte < FAIR && id.length <= LENGTH) id += ALPHABET[byte % ALPHABET.length];
    }
  }
  return id;
}

/** The id of a path: clients may send `<id>-<clientID>`. Undefined where it cannot be one. */
export function shortId(text: string): string | undefined {
  return /^([a-z0-9]{1,63})(-[a-z0-9]+)?$/.exec(text)?.[1];
}
