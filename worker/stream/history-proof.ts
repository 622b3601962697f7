/**
 * A source that is asked for everything from the last stored transaction on
 * sends that one again, first. One that does not has another history, whatever
 * its system identifier, timeline and positions say: a clone of a disk keeps all
 * three, and would have its changes taken for stored ones.
 */
import { OperatorError } from "../errors";
import { formatLsn, type Lsn } from "../lsn";

export class HistoryProof {
  #expected: Lsn | undefined;

  /**
   * @param stored commit of the last stored transaction
   * @param confirmed the slot's position when the stream started; past `stored`
   * the source need not send that transaction again, and proves nothing
   */
  constructor(stored: Lsn, confirmed: Lsn) {
    this.#expected = stored > 0n && confirmed <= stored ? stored : undefined;
  }

  /** @throws OperatorError at the first transaction behind a missing one. */
  transaction(commitLsn: Lsn): void {
    if (this.#expected === undefined) return;
    if (commitLsn === this.#expected) this.#expected = undefined;
    else this.passed(commitLsn);
  }

  /** Everything before `position` has been sent. */
  passed(position: Lsn): void {
    if (this.#expected === undefined || position <= this.#expected) return;
    throw new OperatorError(
      `divergent: the trail's last transaction, committed at ${formatLsn(this.#expected)}, is not in this server's log: it is a clone, or a restored snapshot, of an earlier time`,
      "point DB_HOST at the server that the trail was made from; where there is none any more, the command `adopt` goes on with this one and records what it does not have (docs/operations.md, “Divergent”)",
    );
  }
}
