/** How a connection of the driver's ends: always. */
import type { Connection } from "pg";

const GOODBYE_TIMEOUT_MS = 2_000;

/**
 * The driver says goodbye and waits for the server to close. A line that is gone
 * never does, and TLS that the server has ended with an alert no longer reads
 * that it did: whoever waits for the end would wait for ever. So the connection is
 * destroyed when two seconds after the goodbye it is still there.
 */
export function closeInTime(connection: Connection): void {
  const end = connection.end.bind(connection);
  connection.end = () => {
    const patience = setTimeout(
      () => connection.stream.destroy(),
      GOODBYE_TIMEOUT_MS,
    );
    connection.once("end", () => clearTimeout(patience));
    end();
  };
}
