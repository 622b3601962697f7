"use server";
import { mergeContext, withContext } from "@bemi-db/mikro-orm";
import { headers } from "next/headers";
import { addNote as addToDatabase, login } from "../../notes";

async function add(form: FormData): Promise<void> {
  const user = await login(Object.fromEntries(await headers()));
  mergeContext({ userId: user?.id });
  const note = { id: Number(form.get("id")), by: String(form.get("by")) };
  await addToDatabase(note);
}

export const addNote = async (form: FormData) =>
  withContext({ action: "addNote" }, () => add(form));
