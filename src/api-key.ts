const KEY = /^[\x21-\x7e]{32,512}$/;

/** What is wrong with a key of the policy API, without the key; undefined when nothing is. */
export function keyFault(key: string): string | undefined {
  return KEY.test(key) ? undefined : 'each key must be 32 to 512 visible ASCII characters';
}
