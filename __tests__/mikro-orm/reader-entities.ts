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

class Position {
  latitude!: number;
  longitude!: number;
}

class Address {
  street!: string;
  zip!: string;
  position!: Position;
}

export class Place {
  id!: number;
  address!: Address;
  former: Address | null = null;
}

export const places = [
  new EntitySchema<Position>({
    class: Position,
    embeddable: true,
    properties: {
      latitude: { type: "double" },
      longitude: { type: "double" },
    },
  }),
  new EntitySchema<Address>({
    class: Address,
    embeddable: true,
    properties: {
      street: { type: "text" },
      zip: { type: "text", fieldName: "postal_code" },
      position: { kind: "embedded", entity: () => Position },
    },
  }),
  new EntitySchema<Place>({
    class: Place,
    tableName: "place",
    properties: {
      id: { type: "number", primary: true },
      address: { kind: "embedded", entity: () => Address },
      former: {
        kind: "embedded",
        entity: () => Address,
        object: true,
        nullable: true,
      },
    },
  }),
];
