import type { AddressInfo } from "node:net";
import { MikroORM } from "@mikro-orm/postgresql";
import { createApp } from "./app.js";
import config from "./mikro-orm.config.js";

const orm = await MikroORM.init(config);
await orm.migrator.up();

// On this computer alone: there is no real login.
const server = createApp(orm.em).listen(
  Number(process.env.PORT ?? 3000),
  "127.0.0.1",
  (error) => {
    if (error) throw error;
    const { port } = server.address() as AddressInfo;
    console.log(`The to-do list is on http://127.0.0.1:${port}`);
  },
);

for (const signal of ["SIGINT", "SIGTERM"])
  process.once(signal, () => server.close(() => void orm.close()));
