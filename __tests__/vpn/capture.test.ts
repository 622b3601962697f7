/** How a capture is read. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runProgram } from "../../scripts/child-process";
import { eventually } from "../../scripts/eventually";
import { Capture, UDP } from "../../scripts/lab/capture";

const PORT = 5599;

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "capture-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test("packets are read right also when tcpdump names the link later than that it listens", async () => {
  writeFileSync(join(folder, "tcpdump"), TWO_PIECES, { mode: 0o700 });
  await using capture = await Capture.start(
    ["env", `PATH=${folder}:${process.env.PATH}`],
    ...["lo", join(folder, "pcap"), `udp port ${PORT}`],
  );
  const send = ["-c", `echo > /dev/udp/127.0.0.1/${PORT}`];
  const packets = await eventually("a packet", async () => {
    await runProgram("bash", send);
    const found = capture.packets();
    return found.length > 0 && found;
  });
  expect(packets[0]).toMatchObject({
    ...{ protocol: UDP, from: "127.0.0.1", to: "127.0.0.1", toPort: PORT },
  });
});

/** Where it speaks to a pipe, a reader may have the first piece alone. */
const TWO_PIECES = `#!/bin/bash
PATH=$(printf '%s' "$PATH" | cut -d: -f2-)
{ printf 'tcpdump: listening on lo, ' >&2; sleep 1; echo 'link-type EN10MB' >&2; } &
exec tcpdump "$@" 2>/dev/null
`;
