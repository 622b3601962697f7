import { createServer } from "node:http";
import { ApolloServer } from "@apollo/server";
import { expressMiddleware } from "@as-integrations/express5";
import { mergeContext, setContext } from "@bemi-db/mikro-orm";
import express, { type Request } from "express";
import { login } from "./notes";
import { resolvers, typeDefs } from "./schema";
import { serving } from "./serving";

const app = express();
const apollo = new ApolloServer({ typeDefs, resolvers });
await apollo.start();

app.use(setContext((request: Request) => ({ endpoint: request.url })));
app.use(
  "/graphql",
  express.json(),
  expressMiddleware(apollo, {
    context: async ({ req }) => {
      const user = await login(req.headers);
      mergeContext({ operation: req.body.operationName, userId: user?.id });
      return { user };
    },
  }),
);

const server = createServer(app).listen(0, "127.0.0.1", () => serving(server));
