import { TOKEN } from '../stack/test-stack.ts';

/** A state folder that commit b245ba8 wrote; its README says how. */
export const FIXTURE = new URL('fixtures/b245ba8/', import.meta.url).pathname;

/** Its sandboxes, in the order of a list. `olddeleted` was deleted. */
export const LIVE = [
  'oldagent',
  'oldended',
  'oldipv6',
  'oldmask',
  'oldmoving',
  'oldpaused',
  'oldproxied',
  'oldpublic',
  'oldshadow',
  'oldshut',
  'oldtokens',
];

/** Tokens of `oldtokens` by id, and `minted`, the token of `oldshut`. The plaintext of every other token is its id. */
export const OLDER_TOKENS: Readonly<Record<string, string>> = {
  default: TOKEN,
  successor: 'db1187e69edb1d77f9bcb9017a639f536795c3812500adbf453e8cad30a91d70',
  minted: 'b1aae99fdecdbb80f96741d2b471aee98369936543cdb810315814e8abd37f78',
};
