/** Whether tests run in their long form: more rounds and larger floods of the same cases; `npm run test:extra -- long` sets it. */
export const LONG = process.env.TEST_LONG === '1';

/** For one test in its long form. */
export const LONG_TEST_MS = LONG ? 600_000 : 180_000;
