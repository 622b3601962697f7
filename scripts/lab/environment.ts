/**
 * The environment that a lab deploys, and what its stacks make of it: the
 * user_data of both hosts, the worker's routes and its variables.
 */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { App } from "cdktf";
import { namesOf } from "../../config/names";
import { readEnvironment } from "../../config/read-environment";
import { addStacks } from "../../stacks/stacks";
import { DATABASE_NAME, SERVER_NAME } from "./names";
import type { Forwarding } from "./topology";

export interface LabEnvironment {
  readonly forwarding: Forwarding;
  readonly databaseSubnets: readonly string[];
  readonly publicKeys: { readonly node: string; readonly server: string };
  /**
   * What the node dials: the server's Elastic IP, as with a server of the
   * kit's own, or a name, as with another's.
   */
  readonly endpoint: { readonly address: string } | "name";
}

export interface Deployment {
  readonly nodeUserData: string;
  readonly serverUserData: string;
  readonly secretNames: { readonly node: string; readonly server: string };
  /** Networks that are routed to the VPN server. */
  readonly routes: readonly string[];
  /** `DB_HOST` and others that say where the source is. */
  readonly workerVariables: Readonly<Record<string, string>>;
}

export const ENVIRONMENT = "lab";
const account = { id: "111111111111", region: "us-west-1" };

export function deploy(lab: LabEnvironment): Deployment {
  const own = synthesize(environmentFileOf(lab));
  const node =
    lab.endpoint === "name"
      ? synthesize(fileOf(lab, { kind: "foreign", endpoint: SERVER_NAME }))
      : own;
  const address = lab.endpoint === "name" ? "" : lab.endpoint.address;
  const { vpnNode, worker } = namesOf(ENVIRONMENT).stacks;
  const { secrets } = namesOf(ENVIRONMENT);
  return {
    // What Terraform would put in: the server's address is a resource of its.
    nodeUserData: userDataOf(node(vpnNode)).replace(
      /\$\{[^}]*public_ip\}/g,
      address,
    ),
    serverUserData: userDataOf(own(worker)),
    secretNames: { node: secrets.vpnNode, server: secrets.vpnServer },
    routes: routesOf(own(worker)),
    workerVariables: variablesOf(own(worker)),
  };
}

/** As `environments/lab.json` would be, with a server of the kit's own. */
export function environmentFileOf(lab: LabEnvironment): unknown {
  return fileOf(lab, { kind: "own" });
}

function fileOf(
  { forwarding, databaseSubnets, publicKeys }: LabEnvironment,
  server: { kind: "own" } | { kind: "foreign"; endpoint: string },
): unknown {
  return {
    source: {
      account,
      host: DATABASE_NAME,
      database: "postgres",
      vpcId: "vpc-0a1b2c3d4e5f60718",
      subnetCidrs: databaseSubnets,
    },
    connection: {
      mode: "vpn",
      node: {
        subnetId: "subnet-0a1b2c3d4e5f60718",
        publicKey: publicKeys.node,
        forwarding,
      },
      server: { ...server, publicKey: publicKeys.server },
    },
    ...(server.kind === "own"
      ? { worker: { account, imageDigest: `sha256:${"0".repeat(64)}` } }
      : {}),
  };
}

type Block = Readonly<Record<string, unknown>>;

interface Template {
  readonly resource: Readonly<Record<string, Readonly<Record<string, Block>>>>;
}

function synthesize(file: unknown): (stack: string) => Template {
  const outdir = mkdtempSync(join(tmpdir(), "bemi-lab-stacks-"));
  try {
    const app = new App({ outdir });
    addStacks(
      app,
      readEnvironment(`${ENVIRONMENT}.json`, JSON.stringify(file)),
    );
    app.synth();
    const templates = new Map(
      Object.keys(app.manifest.stacks).map((name) => [
        name,
        readFileSync(join(outdir, "stacks", name, "cdk.tf.json"), "utf8"),
      ]),
    );
    return (name) => JSON.parse(templates.get(name) ?? "{}") as Template;
  } finally {
    rmSync(outdir, { recursive: true });
  }
}

function resources(template: Template, type: string): readonly Block[] {
  return Object.values(template.resource[type] ?? {});
}

function userDataOf(template: Template): string {
  const [instance] = resources(template, "aws_instance");
  if (!instance) throw new Error("a stack of a VPN host without an instance");
  return String(instance.user_data);
}

function routesOf(template: Template): string[] {
  const intoTunnel = resources(template, "aws_route").filter(
    (route) => route.network_interface_id !== undefined,
  );
  return [
    ...new Set(intoTunnel.map((route) => String(route.destination_cidr_block))),
  ];
}

function variablesOf(template: Template): Record<string, string> {
  const [task] = resources(template, "aws_ecs_task_definition");
  const containers: {
    environment?: { name: string; value: string }[];
  }[] = JSON.parse(String(task?.container_definitions));
  const variables = containers.flatMap(({ environment = [] }) => environment);
  const ofSource = variables.filter(({ name }) =>
    /^DB_(HOST|PORT|SSL)/.test(name),
  );
  return Object.fromEntries(ofSource.map(({ name, value }) => [name, value]));
}
