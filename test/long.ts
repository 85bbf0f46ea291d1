/** Long forms of tests, which `npm test` runs shorter: set by `npm run test:extra -- long`. */
export const LONG = process.env.TEST_LONG === '1';
