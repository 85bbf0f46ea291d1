const ALPHABET = 'abcdefghijklmnopqrstuvwxyz0123456789';
const LENGTH = 20;
/** Bytes from here on would make the first letters more likely. */
const FAIR = 256 - (256 % ALPHABET.length);

/** `i` and 20 of `[a-z0-9]`, like E2B's ids. */
export function newSandboxId(random: (bytes: number) => Buffer): string {
  let id = 'i';
  while (id.length <= LENGTH) {
    for (const byte of random(32)) {
      if (byte < FAIR && id.length <= LENGTH) id += ALPHABET[byte % ALPHABET.length];
    }
  }
  return id;
}

/** The sandbox id in a path, where clients may send `<id>-<clientID>`. Undefined if it cannot be an id. */
export function shortId(text: string): string | undefined {
  return /^([a-z0-9]{1,63})(-[a-z0-9]+)?$/.exec(text)?.[1];
}
