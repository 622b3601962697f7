import { mergeContext, withContext } from "@bemi-db/mikro-orm";
import type { NextRequest } from "next/server";
import { addNote, login } from "../../../notes";

async function add(request: NextRequest): Promise<Response> {
  const user = await login(Object.fromEntries(request.headers));
  mergeContext({ userId: user?.id });
  return Response.json(await addNote(await request.json()));
}

export const POST = (request: NextRequest) =>
  withContext({ endpoint: request.nextUrl.pathname }, () => add(request));
