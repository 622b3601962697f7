import { defineEntity, type InferEntity, p } from "@mikro-orm/core";

export const Todo = defineEntity({
  name: "Todo",
  properties: {
    id: p.integer().primary(),
    task: p.text(),
    isCompleted: p.boolean().default(false),
  },
});

export type Todo = InferEntity<typeof Todo>;
