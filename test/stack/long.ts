/** Whether tests run in their long form, with more rounds and larger floods; `npm run test:extra -- long` sets it. */
export const LONG = process.env.TEST_LONG === '1';

/** Timeout of one test that has a long form. */
export const LONG_TEST_MS = LONG ? 600_000 : 180_000;
