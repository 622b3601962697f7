/** A value set in a JSON text, with everything else left as it is. */
import { findNodeAtLocation, type Node, parseTree } from "jsonc-parser";

export type JsonPath = readonly [string, ...string[]];

/**
 * Replaces the value at a path, or puts it behind the last property of its
 * object, formatted as that object is. Objects on the way are made.
 */
export function setInJson(text: string, path: JsonPath, value: string): string {
  const root = parseTree(text);
  const node = root && findNodeAtLocation(root, [...path]);
  if (node) return replace(text, node, JSON.stringify(value));
  return insert(text, root, path, value);
}

function replace(text: string, node: Node, value: string): string {
  return (
    text.slice(0, node.offset) + value + text.slice(node.offset + node.length)
  );
}

function insert(
  text: string,
  root: Node | undefined,
  path: JsonPath,
  value: string,
): string {
  for (let depth = path.length - 1; depth >= 0; depth--) {
    const parent = root && findNodeAtLocation(root, path.slice(0, depth));
    if (parent?.type !== "object") continue;
    const nested = path
      .slice(depth + 1)
      .reduceRight<unknown>((inner, key) => ({ [key]: inner }), value);
    return addProperty(text, parent, path[depth] ?? "", nested);
  }
  throw new TypeError(`${path.join(".")} has no object to be in`);
}

function addProperty(
  text: string,
  object: Node,
  key: string,
  value: unknown,
): string {
  const last = object.children?.at(-1);
  if (!last) {
    return replace(text, object, JSON.stringify({ [key]: value }));
  }
  const end = last.offset + last.length;
  const indent = indentOf(text, last.offset);
  if (indent === undefined) {
    const added = `, ${JSON.stringify(key)}: ${JSON.stringify(value)}`;
    return text.slice(0, end) + added + text.slice(end);
  }
  const newline = text.includes("\r\n") ? "\r\n" : "\n";
  const unit = indent.slice(lineIndent(text, object.offset).length) || "  ";
  const lines = JSON.stringify(value, undefined, unit)
    .split("\n")
    .join(`${newline}${indent}`);
  const added = `,${newline}${indent}${JSON.stringify(key)}: ${lines}`;
  return text.slice(0, end) + added + text.slice(end);
}

/** White space in front of what begins a line; undefined when it does not. */
function indentOf(text: string, offset: number): string | undefined {
  const before = text.slice(text.lastIndexOf("\n", offset - 1) + 1, offset);
  return /^[ \t]*$/.test(before) && text.lastIndexOf("\n", offset) >= 0
    ? before
    : undefined;
}

function lineIndent(text: string, offset: number): string {
  const line = text.slice(text.lastIndexOf("\n", offset - 1) + 1, offset);
  return /^[ \t]*/.exec(line)?.[0] ?? "";
}
