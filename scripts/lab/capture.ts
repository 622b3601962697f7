/** Every packet on a network card, kept as tcpdump writes it. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { eventually } from "../eventually";

/** A packet of IPv4, as far as it is told apart here. */
export interface Packet {
  readonly protocol: number;
  readonly from: string;
  readonly to: string;
  /** Of UDP and TCP. */
  readonly fromPort: number;
  readonly toPort: number;
  readonly isFragment: boolean;
  readonly bytes: Buffer;
  /** Of a TCP segment with SYN that names one. */
  readonly maxSegmentBytes: number | undefined;
}

export const UDP = 17;
export const TCP = 6;

const FILE_HEADER_BYTES = 24;
const PACKET_HEADER_BYTES = 16;
/** Of a card; a tunnel's carries bare packets. */
const ETHERNET_LINK_TYPE = 1;
const ETHERNET_HEADER_BYTES = 14;

export class Capture implements AsyncDisposable {
  private constructor(
    readonly path: string,
    readonly card: string,
    readonly child: ChildProcess,
  ) {}

  /**
   * @param enter - what goes before a command to run it on the host
   * @param filter - of tcpdump; all that is not ARP when it is left out
   */
  static async start(
    enter: readonly string[],
    card: string,
    path: string,
    filter = "not arp",
  ): Promise<Capture> {
    const [program = "", ...args] = [
      ...["setpriv", "--pdeathsig=KILL", ...enter],
      ...[
        "tcpdump",
        "-i",
        card,
        "-U",
        "-n",
        "--immediate-mode",
        "-s",
        "0",
        "-w",
        path,
        filter,
      ],
    ];
    const child = spawn(program, args, {
      stdio: ["ignore", "ignore", "pipe"],
      detached: true,
    });
    let said = "";
    child.stderr?.setEncoding("utf8").on("data", (text) => {
      said += text;
    });
    child.on("error", ({ message }) => {
      said += message;
    });
    await eventually("tcpdump listens", async () => {
      if (child.exitCode !== null) throw new Error(`tcpdump: ${said}`);
      return said.includes("listening on");
    });
    return new Capture(path, card, child);
  }

  /** So far. */
  packets(): Packet[] {
    const file = readFileSync(this.path);
    const packets: Packet[] = [];
    if (file.length < FILE_HEADER_BYTES) return packets;
    // From the file: what tcpdump says of it may come in two pieces.
    const linkHeaderBytes =
      file.readUInt32LE(20) === ETHERNET_LINK_TYPE ? ETHERNET_HEADER_BYTES : 0;
    let offset = FILE_HEADER_BYTES;
    while (offset + PACKET_HEADER_BYTES <= file.length) {
      const length = file.readUInt32LE(offset + 8);
      const start = offset + PACKET_HEADER_BYTES;
      offset = start + length;
      if (offset > file.length) break;
      const bytes = file.subarray(start + linkHeaderBytes, offset);
      packets.push(readPacket(bytes));
    }
    return packets;
  }

  /** Whether the text was on the wire as it is, within one packet. */
  has(text: string): boolean {
    return this.packets().some(({ bytes }) => bytes.includes(text));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { child } = this;
    if (child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, "exit");
    child.kill("SIGKILL");
    await exited;
  }
}

function readPacket(bytes: Buffer): Packet {
  const version = bytes.readUInt8(0) >> 4;
  if (version !== 4) {
    return {
      ...{ protocol: -1, from: "", to: "", fromPort: 0, toPort: 0, bytes },
      isFragment: false,
      maxSegmentBytes: undefined,
    };
  }
  const headerBytes = (bytes.readUInt8(0) & 15) * 4;
  const protocol = bytes.readUInt8(9);
  const hasPorts = protocol === UDP || protocol === TCP;
  return {
    protocol,
    from: [...bytes.subarray(12, 16)].join("."),
    to: [...bytes.subarray(16, 20)].join("."),
    fromPort: hasPorts ? bytes.readUInt16BE(headerBytes) : 0,
    toPort: hasPorts ? bytes.readUInt16BE(headerBytes + 2) : 0,
    isFragment: (bytes.readUInt16BE(6) & 0x3f_ff) !== 0,
    bytes,
    maxSegmentBytes:
      protocol === TCP ? segmentSize(bytes.subarray(headerBytes)) : undefined,
  };
}

function segmentSize(segment: Buffer): number | undefined {
  const isSyn = (segment.readUInt8(13) & 2) !== 0;
  if (!isSyn) return undefined;
  const end = (segment.readUInt8(12) >> 4) * 4;
  let at = 20;
  while (at < end) {
    const kind = segment.readUInt8(at);
    if (kind === 0) return undefined;
    if (kind === 2) return segment.readUInt16BE(at + 2);
    at += kind === 1 ? 1 : segment.readUInt8(at + 1);
  }
  return undefined;
}
