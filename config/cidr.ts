/** IPv4 networks, in CIDR notation. */

export interface Network {
  /** First and last address, as numbers. */
  readonly first: number;
  readonly last: number;
  readonly prefixLength: number;
}

/** Undefined: no network, or one whose address has bits behind the prefix. */
export function parseCidr(text: string): Network | undefined {
  const [address = "", length = ""] = text.split("/");
  const first = parseAddress(address);
  const prefixLength = Number(length);
  if (first === undefined || !/^\d+$/.test(length) || prefixLength > 32) {
    return undefined;
  }
  const size = 2 ** (32 - prefixLength);
  if (first % size !== 0) return undefined;
  return { first, last: first + size - 1, prefixLength };
}

export function overlap(a: Network, b: Network): boolean {
  return a.first <= b.last && b.first <= a.last;
}

/** The address so many places after the network's first one. */
export function addressIn(cidr: string, place: number): string {
  const network = parseCidr(cidr);
  if (!network || network.first + place > network.last) {
    throw new RangeError(`no address ${place} in ${cidr}`);
  }
  return formatAddress(network.first + place);
}

/** Networks of `prefixLength` one after the other, from the beginning of `cidr`. */
export function subnetsOf(
  cidr: string,
  prefixLength: number,
  count: number,
): string[] {
  const size = 2 ** (32 - prefixLength);
  return Array.from(
    { length: count },
    (_, index) => `${addressIn(cidr, index * size)}/${prefixLength}`,
  );
}

function parseAddress(text: string): number | undefined {
  const parts = text.split(".");
  if (parts.length !== 4) return undefined;
  let value = 0;
  for (const part of parts) {
    // A leading zero is octal to some and decimal to others.
    if (!/^(0|[1-9]\d{0,2})$/.test(part) || Number(part) > 255) {
      return undefined;
    }
    value = value * 256 + Number(part);
  }
  return value;
}

function formatAddress(value: number): string {
  return [24, 16, 8, 0]
    .map((shift) => Math.floor(value / 2 ** shift) % 256)
    .join(".");
}
