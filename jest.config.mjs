// The tests run as compiled by `npm run build`: one compiler, types checked, no transform. Nest is ESM only, which jest
// loads in its true ESM mode (see scripts/test.mjs).
export default {
  testEnvironment: 'node',
  rootDir: 'dist',
  testMatch: ['<rootDir>/test/**/*.test.js', '<rootDir>/examples/**/*.test.js'],
  transform: {},
  setupFiles: ['<rootDir>/test/support/property-setup.js'],
  // For a machine that is busy with other things, too.
  testTimeout: 240_000,
  maxWorkers: 2,
  // Modules of every test file stay in a worker's memory: one came to 3 GB.
  workerIdleMemoryLimit: '1GB',
};
