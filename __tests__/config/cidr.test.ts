import { addressIn, overlap, parseCidr, subnetsOf } from "../../config/cidr";
import { tunnelAddresses } from "../../config/tunnel";
import { changedEnvironment } from "../support/environments";

test.each([
  "10.0.0.1/24",
  "10.0.0.0/33",
  "10.0.0.256/32",
  "10.0.0/24",
  "010.0.0.0/24",
  "10.0.0.0",
  "10.0.0.0/",
  "::/0",
])("%s is no network", (text) => {
  expect(parseCidr(text)).toBeUndefined();
});

test.each([
  ["0.0.0.0/0", 0, 2 ** 32 - 1],
  ["255.255.255.255/32", 2 ** 32 - 1, 2 ** 32 - 1],
  ["10.0.1.0/24", 167_772_416, 167_772_671],
])("%s goes from %d to %d", (text, first, last) => {
  expect(parseCidr(text)).toMatchObject({ first, last });
});

test.each([
  ["10.0.0.0/24", "10.0.0.128/25", true],
  ["10.0.0.128/25", "10.0.0.0/24", true],
  ["10.0.0.0/24", "10.0.1.0/24", false],
  ["0.0.0.0/0", "255.255.255.255/32", true],
])("whether %s and %s overlap: %s", (one, other, expected) => {
  const [a, b] = [parseCidr(one), parseCidr(other)];
  expect(a && b && overlap(a, b)).toBe(expected);
});

test("subnets follow one another, and end with their network", () => {
  expect(subnetsOf("10.213.0.0/20", 22, 4)).toEqual([
    ...["10.213.0.0/22", "10.213.4.0/22", "10.213.8.0/22", "10.213.12.0/22"],
  ]);
  expect(() => subnetsOf("10.213.0.0/20", 22, 5)).toThrow("no address 4096");
  expect(addressIn("100.64.77.0/30", 2)).toBe("100.64.77.2");
});

test("in a provider's tunnel both ends have the provider's addresses", () => {
  const { connection } = changedEnvironment("vpn-foreign", (file) => {
    Object.assign(file.connection, {
      server: {
        ...(file.connection.mode === "vpn" ? file.connection.server : {}),
        tunnelAddress: "10.0.0.2",
        nodeTunnelAddress: "10.0.0.1",
      },
    });
  });
  if (connection.mode !== "vpn") throw new Error("another mode");
  expect(tunnelAddresses(connection)).toEqual({
    server: "10.0.0.2",
    node: "10.0.0.1",
  });
});
