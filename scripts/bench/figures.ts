/** The figures of a run: one value a round, the median counts. */
import Table from "cli-table3";

export class Figures {
  readonly #values = new Map<string, number[]>();

  add(name: string, value: number): void {
    this.#values.set(name, [...(this.#values.get(name) ?? []), value]);
  }

  table(): string {
    const table = new Table({
      head: ["figure", "median", "min", "max"],
      colAligns: ["left", "right", "right", "right"],
      style: { head: [], border: [], compact: true },
    });
    for (const [name, values] of this.#values) {
      table.push([
        name,
        ...[median(values), Math.min(...values), Math.max(...values)].map(
          readable,
        ),
      ]);
    }
    return table.toString();
  }

  toJSON(): Record<string, number[]> {
    return Object.fromEntries(this.#values);
  }
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

function readable(value: number): string {
  return value >= 100 ? value.toFixed(0) : value.toFixed(2);
}
