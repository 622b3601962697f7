import { currentContext, withContext } from "@bemi-db/mikro-orm";
import { type Job, PgBoss } from "pg-boss";
import { serveFront } from "./front";
import { addNote, type NewNote } from "./notes";

interface AddNote {
  readonly note: NewNote;
  readonly context: object | undefined;
}

const boss = new PgBoss(String(process.env.DATABASE_URL));
await boss.start();
await boss.createQueue("addNote");
const options = { localConcurrency: 20, pollingIntervalSeconds: 0.5 };
const work = ({ data }: Job<AddNote>) => addNote(data.note);

await boss.work<AddNote>("addNote", options, ([job]) =>
  withContext({ ...job.data.context, job: job.id }, () => work(job)),
);

serveFront((note) => boss.send("addNote", { note, context: currentContext() }));
