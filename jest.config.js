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
  // They wait for servers more than they compute: with 3, the processor time of
  // all of them was 60 % of what two cores have in that time.
  maxWorkers: 4,
  // Of one file's tests; those that are marked so wait most of their time.
  maxConcurrency: 10,
  testTimeout: 240_000,
};
