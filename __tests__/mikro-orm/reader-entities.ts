/** Entities of the application that reads `changes`. */
import { EntitySchema } from "@mikro-orm/postgresql";

export class Todo {
  id!: bigint;
  title!: string;
  amount: string | null = null;
  data: unknown = null;
  doc: unknown = null;
  seenAt: Date | null = null;
  done = false;
}

export const todos = new EntitySchema<Todo>({
  class: Todo,
  tableName: "todo",
  properties: {
    id: { type: "bigint", primary: true },
    title: { type: "text" },
    amount: { type: "decimal", nullable: true },
    data: { type: "json", nullable: true },
    doc: { type: "json", columnType: "json", nullable: true },
    seenAt: { type: "datetime", fieldName: "seen_at", nullable: true },
    done: { type: "boolean" },
  },
});

export class Event {
  id!: number;
  day!: string;
  what!: string;
}

export const events = new EntitySchema<Event>({
  class: Event,
  tableName: "event",
  properties: {
    id: { type: "number", primary: true },
    day: { type: "string", primary: true },
    what: { type: "text" },
  },
});

class Double {
  id!: number;
  a!: number;
  twice?: number;
}

export const doubles = new EntitySchema<Double>({
  class: Double,
  tableName: "double",
  properties: {
    id: { type: "number", primary: true },
    a: { type: "number" },
    twice: { type: "number", generated: "(a * 2) stored" },
  },
});
