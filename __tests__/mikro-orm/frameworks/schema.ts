/** Of the GraphQL servers; a mutation is what `addNote` does. */
import { addNote, type NewNote } from "./notes";

export const typeDefs = `
  type Note { id: Int! by: String! }
  type Query { ready: Boolean! }
  type Mutation { addNote(id: Int!, by: String!): Note! }
`;

export const resolvers = {
  Query: { ready: () => true },
  Mutation: { addNote: (_parent: unknown, note: NewNote) => addNote(note) },
};
