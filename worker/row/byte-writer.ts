/**
 * A growing buffer that rows are rendered into. Values travel from the
 * write-ahead log to the destination as bytes: building strings in between
 * costs several times the work of PostgreSQL's own output functions, and every
 * detour through a JavaScript type has falsified values somewhere.
 */
export class ByteWriter {
  /** Valid up to `length`; replaced when it grows, so do not keep it. */
  buffer: Buffer;
  length = 0;

  constructor(capacityBytes: number) {
    this.buffer = Buffer.allocUnsafeSlow(capacityBytes);
  }

  /** Makes room for `bytes` more and returns the buffer to write into. */
  reserve(bytes: number): Buffer {
    const needed = this.length + bytes;
    if (needed > this.buffer.length) {
      const grown = Buffer.allocUnsafeSlow(
        Math.max(needed, this.buffer.length * 2),
      );
      this.buffer.copy(grown, 0, 0, this.length);
      this.buffer = grown;
    }
    return this.buffer;
  }

  byte(value: number): void {
    this.reserve(1)[this.length++] = value;
  }

  /** Copies `source[start, end)`. */
  bytes(source: Uint8Array, start = 0, end = source.length): void {
    const count = end - start;
    const target = this.reserve(count);
    if (count > 48) {
      // A view is an object to be made; most of these are copied whole.
      const isWhole = count === source.length;
      const part = isWhole ? source : source.subarray(start, end);
      target.set(part, this.length);
      this.length += count;
      return;
    }
    // A native copy costs more than the loop for a few bytes.
    let at = this.length;
    for (let i = start; i < end; i++) target[at++] = source[i] as number;
    this.length = at;
  }

  int16(value: number): void {
    this.reserve(2).writeInt16BE(value, this.length);
    this.length += 2;
  }

  int32(value: number): void {
    this.reserve(4).writeInt32BE(value, this.length);
    this.length += 4;
  }

  int64(value: bigint): void {
    this.reserve(8).writeBigInt64BE(value, this.length);
    this.length += 8;
  }

  /** Starts a field whose length is known only at its end. */
  beginField(): number {
    this.int32(0);
    return this.length;
  }

  /** Writes the length in front of what came since `beginField` gave `start`. */
  endField(start: number): void {
    this.buffer.writeInt32BE(this.length - start, start - 4);
  }

  /** Drops the first `bytes`, which were handed on, and keeps the rest. */
  discard(bytes: number, capacityBytes: number): void {
    const rest = this.length - bytes;
    const next = Buffer.allocUnsafeSlow(Math.max(capacityBytes, rest));
    this.buffer.copy(next, 0, bytes, this.length);
    this.buffer = next;
    this.length = rest;
  }
}
