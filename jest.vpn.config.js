/** Of `npm run test:vpn`: tests in network namespaces, which root alone may make. */

/** @type {import("jest").Config} */
module.exports = {
  ...require("./jest.config.js"),
  testMatch: ["<rootDir>/__tests__/vpn/**/*.test.ts"],
  testPathIgnorePatterns: ["/node_modules/"],
  // They wait more than they compute: for a minute without a network, for
  // WireGuard's timers.
  maxWorkers: 4,
};
