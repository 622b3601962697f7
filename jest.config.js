/** @type {import("jest").Config} */
module.exports = {
  testEnvironment: "node",
  testMatch: ["<rootDir>/__tests__/**/*.test.ts"],
  // They need root; `npm run test:vpn` runs them.
  testPathIgnorePatterns: ["/node_modules/", "/__tests__/vpn/"],
  transform: {
    "^.+\\.ts$": [
      "@swc/jest",
      {
        jsc: {
          target: "es2022",
          parser: { syntax: "typescript", explicitResourceManagement: true },
        },
      },
    ],
  },
  testSequencer: "<rootDir>/jest.sequencer.js",
  globalSetup: "<rootDir>/__tests__/support/global-setup.ts",
  // They wait for servers more than they compute: all of them took 1,180 s of
  // processor time, and with 3 at a time 795 s of two cores.
  maxWorkers: 4,
  // Of one file's tests; those that are marked so wait most of their time.
  maxConcurrency: 10,
  testTimeout: 240_000,
};
