/** A connection of the driver's with a `MessageSplitter` behind its socket. */
import { EventEmitter } from "node:events";
import type { Duplex } from "node:stream";
import { type ClientConfig, Connection } from "pg";
import { closeInTime } from "../network/closing";
import {
  MessageSplitter,
  type MessageSplitterOptions,
} from "./message-splitter";

/** Part of `pg` that its types leave out. */
interface Listening {
  attachListeners(stream: Pick<Duplex, "on" | "destroy">): void;
}

/**
 * The client's configuration with such a connection in it. From the first byte
 * on, since the driver's parser may hold half a message at any later moment.
 */
export function throughSplitter(
  config: ClientConfig,
  options: Omit<MessageSplitterOptions, "pass">,
): { readonly config: ClientConfig; readonly splitter: MessageSplitter } {
  const connection = new Connection(config) as Connection & Listening;
  closeInTime(connection);
  const attach = connection.attachListeners.bind(connection);
  const parsed = new EventEmitter();
  const pass = (bytes: Buffer) => parsed.emit("data", bytes);
  const splitter = new MessageSplitter({ ...options, pass });
  // Called once, with the socket or with the encrypted stream on top of it.
  connection.attachListeners = (stream) => {
    stream.on("data", (chunk: Buffer) => {
      try {
        splitter.push(chunk);
      } catch (error) {
        // Ends the connection, and is what it ended with.
        stream.destroy(error as Error);
      }
    });
    stream.on("end", () => parsed.emit("end"));
    attach(parsed as EventEmitter & Duplex);
  };
  const own: ClientConfig & { connection: Connection } = {
    ...config,
    connection,
  };
  return { config: own, splitter };
}
