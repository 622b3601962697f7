/**
 * Integration tests that `npm run test:matrix` runs on the newest version
 * alone: path, and why their subject cannot depend on the server's version.
 */
export const ONCE: Readonly<Record<string, string>> = {
  "__tests__/scripts/cluster.pg.test.ts":
    "starts every version by itself, 13 included",
};
