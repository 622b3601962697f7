import { createServer } from "node:http";
import { mergeContext, withContext } from "@bemi-db/mikro-orm";
import { createSchema, createYoga } from "graphql-yoga";
import { login } from "./notes";
import { resolvers, typeDefs } from "./schema";
import { serving } from "./serving";

const yoga = createYoga({
  schema: createSchema({ typeDefs, resolvers }),
  context: async ({ request, params }) => {
    const user = await login(Object.fromEntries(request.headers));
    mergeContext({ operation: params.operationName, userId: user?.id });
    return { user };
  },
});
const server = createServer((request, response) =>
  withContext({ endpoint: request.url }, () => yoga(request, response)),
);

server.listen(0, "127.0.0.1", () => serving(server));
