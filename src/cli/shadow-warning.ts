/** Said at every start, since a door that was opened to measure is easily forgotten. */
export const SHADOW_WARNING =
  'shadow mode is allowed (SANDGATE_ALLOW_SHADOW): sandboxes whose access.shadowUntil is ahead let requests without a valid token through';
