import { currentContext, withContext } from "@bemi-db/mikro-orm";
import { type Job, Queue, Worker } from "bullmq";
import { serveFront } from "./front";
import { addNote, type NewNote } from "./notes";

interface AddNote {
  readonly note: NewNote;
  readonly context: object | undefined;
}

const connection = { host: "127.0.0.1", port: Number(process.env.REDIS_PORT) };
const options = { connection, concurrency: 20 };
const work = ({ data }: Job<AddNote>) => addNote(data.note);

const queue = new Queue<AddNote>("notes", { connection });
new Worker<AddNote>(
  "notes",
  (job) => withContext({ ...job.data.context, job: job.id }, () => work(job)),
  options,
);

serveFront((note) => queue.add("addNote", { note, context: currentContext() }));
