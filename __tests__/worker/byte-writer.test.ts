import { ByteWriter } from "../../worker/row/byte-writer";

const written = (out: ByteWriter) => out.buffer.subarray(0, out.length);

test.each([0, 1, 48, 49, 5_000])(
  "%i bytes copied out of the middle of a source arrive as they are, also when the buffer has to grow",
  (count) => {
    const source = Buffer.from(
      Array.from({ length: count + 20 }, (_, i) => i & 255),
    );
    const out = new ByteWriter(4);
    out.byte(0xff);
    out.bytes(source, 10, 10 + count);
    out.byte(0xfe);
    expect(written(out)).toEqual(
      Buffer.concat([
        Buffer.of(0xff),
        source.subarray(10, 10 + count),
        Buffer.of(0xfe),
      ]),
    );
  },
);

test("integers are written big-endian and signed", () => {
  const out = new ByteWriter(1);
  out.int16(-2);
  out.int32(-3);
  out.int64(-(2n ** 63n));
  expect(written(out).toString("hex")).toBe("fffefffffffd8000000000000000");
});

test("a field's length is that of what was written since its beginning", () => {
  const out = new ByteWriter(2);
  out.byte(7);
  const field = out.beginField();
  out.bytes(Buffer.alloc(300, 1));
  out.endField(field);
  expect(out.buffer.readInt32BE(1)).toBe(300);
  expect(out.length).toBe(1 + 4 + 300);
});

test("reserve makes room without moving the end, and keeps what is there", () => {
  const out = new ByteWriter(2);
  out.bytes(Buffer.of(1, 2));
  expect(out.reserve(1_000).length).toBeGreaterThanOrEqual(1_002);
  expect(written(out)).toEqual(Buffer.of(1, 2));
});

test("discard drops what was handed on and leaves those bytes untouched", () => {
  const out = new ByteWriter(8);
  out.bytes(Buffer.from("handed on"));
  const handedOn = written(out).subarray(0, 9);
  out.bytes(Buffer.from("kept"));
  const all = written(out).subarray(0, 9);
  out.discard(9, 4);
  expect(written(out).toString()).toBe("kept");
  out.bytes(Buffer.from(" and more, past the new capacity"));
  expect(written(out).toString()).toBe("kept and more, past the new capacity");
  expect(handedOn.toString()).toBe("handed on");
  expect(all.toString()).toBe("handed on");
});
