/** What `dev` and the local cloud print if they run sandboxes without isolation. */
export const NO_ISOLATION_NOTICE =
  'sandboxes are NOT isolated (SANDGATE_ISOLATION=off): their processes can read your files, see each other, and share your ports';
