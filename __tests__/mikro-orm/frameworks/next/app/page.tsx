import { addNote } from "./actions";

export default function Page() {
  return (
    <form action={addNote}>
      <input name="id" />
      <input name="by" />
      <button type="submit">Add</button>
    </form>
  );
}
