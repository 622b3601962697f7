/**
 * SQL for the last 30 bits of the column `id`, which tell the slot
 * (row/change-row.ts): rows of another one may lie between two ids.
 */
export const IDENTITY_OF_ID =
  "(('x' || right(id::text, 8))::bit(32)::int & x'3fffffff'::int)";
