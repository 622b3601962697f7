/** Says where the application listens, as `LoggedProcess` reads it, once MikroORM is open. */
import type { Server } from "node:http";
import { database } from "./notes";

export async function serving(
  server: Server,
  open: () => Promise<unknown> = database,
): Promise<void> {
  await open();
  const address = server.address();
  const result = typeof address === "object" ? address?.port : undefined;
  process.stdout.write(
    `${JSON.stringify({ level: "info", msg: "serving", result })}\n`,
  );
}
