// The tests run as compiled by `npm run build`: one compiler, types checked, no transform. Nest is ESM only, which jest
// loads in its true ESM mode (see scripts/test.mjs).
export default {
  testEnvironment: 'node',
  rootDir: 'dist',
  testMatch: ['<rootDir>/test/**/*.test.js', '<rootDir>/examples/**/*.test.js'],
  transform: {},
  setupFiles: ['<rootDir>/test/support/property-setup.js'],
  testTimeout: 60_000,
  maxWorkers: 2,
};
