/** A first environment file, of what its deployer has said so far. */
import type { z } from "zod";
import type { environmentSchema } from "../../config/environment";

/** What was given on the command line. */
export interface Answers {
  readonly mode: "direct" | "ssh" | "vpn";
  readonly account?: string;
  readonly region?: string;
  readonly workerAccount?: string;
  readonly workerRegion?: string;
  readonly host?: string;
  readonly database?: string;
  readonly user?: string;
  readonly vpc?: string;
  readonly subnetCidrs?: readonly string[];
  readonly securityGroup?: string;
  readonly nodeSubnet?: string;
  readonly serverKey?: string;
  readonly serverEndpoint?: string;
  readonly sshHost?: string;
  readonly sshUser?: string;
  readonly sshHostKey?: string;
  readonly rdsInstance?: string;
  readonly auroraCluster?: string;
  readonly postgresVersion?: number;
  readonly storageGib?: number;
  /** False: the database is not RDS's. */
  readonly rds: boolean;
  readonly destinationHost?: string;
  readonly destinationDatabase?: string;
  readonly destinationUser?: string;
  readonly stateBucket?: string;
  readonly stateRegion?: string;
  readonly email?: readonly string[];
}

type File = z.input<typeof environmentSchema>;

/** The same shape, in which a placeholder may stand for anything. */
type Draft<T> = T extends object
  ? { [K in keyof T]: Draft<T[K]> | string }
  : T | string;

/**
 * What was not said is left out where there is a default, and is a placeholder
 * otherwise: `<…>`, which the reader of the file asks to be filled in.
 */
export function firstEnvironment(answers: Answers): Draft<File> {
  const isForeign =
    answers.serverKey !== undefined || answers.serverEndpoint !== undefined;
  return {
    $schema: "./environment.schema.json",
    ...stateOf(answers),
    source: sourceOf(answers),
    connection: connectionOf(answers, isForeign),
    ...(isForeign ? {} : { worker: workerOf(answers) }),
    ...destinationOf(answers),
    ...(answers.email ? { alerts: { emails: [...answers.email] } } : {}),
  };
}

function stateOf({ stateBucket, stateRegion, region }: Answers): {
  state?: Draft<File["state"]>;
} {
  if (!stateBucket) return {};
  return {
    state: {
      bucket: stateBucket,
      region: stateRegion ?? region ?? "<region of the state's bucket>",
    },
  };
}

function sourceOf(answers: Answers): Draft<File["source"]> {
  const { account, region, host, database, user, mode } = answers;
  return {
    account: {
      id: account ?? "<12 digits of the database's AWS account>",
      region: region ?? "<region of the database, as in us-west-1>",
    },
    host: host ?? "<writer endpoint of the database>",
    database: database ?? "<name of the database>",
    ...(user ? { user } : {}),
    ...(mode === "vpn" ? networkOf(answers) : {}),
    ...(answers.rds ? { rds: rdsOf(answers) } : {}),
  };
}

function networkOf({ vpc, subnetCidrs, securityGroup }: Answers): object {
  return {
    vpcId: vpc ?? "<VPC of the database, vpc-…>",
    subnetCidrs: subnetCidrs
      ? [...subnetCidrs]
      : [
          "<network of each subnet in the database's subnet group, 10.20.30.0/24>",
        ],
    securityGroupId:
      securityGroup ??
      "<security group of the database, sg-…; or leave this field out, and open it for the node yourself>",
  };
}

function rdsOf(answers: Answers): Draft<File["source"]["rds"]> {
  const { auroraCluster, rdsInstance, postgresVersion, storageGib } = answers;
  const majorVersion =
    postgresVersion ??
    "<major version of PostgreSQL, 14 to 18, without quotes>";
  if (auroraCluster) {
    return { kind: "aurora", identifier: auroraCluster, majorVersion };
  }
  return {
    kind: "instance",
    identifier: rdsInstance ?? "<DBInstanceIdentifier of the database>",
    majorVersion,
    allocatedStorageGib:
      storageGib ?? "<storage of the instance in GiB, without quotes>",
  };
}

function connectionOf(
  answers: Answers,
  isForeign: boolean,
): Draft<File["connection"]> {
  const { mode, sshHost, sshUser, sshHostKey, nodeSubnet } = answers;
  switch (mode) {
    case "direct":
      return { mode };
    case "ssh":
      return {
        mode,
        host: sshHost ?? "<name or address of the jump host>",
        user: sshUser ?? "<user on the jump host>",
        hostKey: sshHostKey ?? "<its host key, as ssh-keyscan prints it>",
      };
    case "vpn":
      return {
        mode,
        node: {
          subnetId:
            nodeSubnet ??
            "<a private subnet of the database's VPC with a NAT gateway, subnet-…>",
        },
        server: isForeign ? serverOf(answers) : { kind: "own" },
      };
  }
}

function serverOf({ serverKey, serverEndpoint }: Answers) {
  const [endpoint, port] = serverEndpoint?.split(":") ?? [];
  return {
    kind: "foreign",
    publicKey: serverKey ?? "<the provider's WireGuard public key>",
    endpoint: endpoint ?? "<name or address of the provider's server>",
    ...(port ? { port: Number(port) } : {}),
  };
}

function workerOf(answers: Answers): Draft<NonNullable<File["worker"]>> {
  const { workerAccount, workerRegion, account, region } = answers;
  return {
    account: {
      id: workerAccount ?? account ?? "<12 digits of the worker's AWS account>",
      region: workerRegion ?? region ?? "<region of the worker>",
    },
    settings: { TRACK_TABLES: "public.*" },
  };
}

function destinationOf(answers: Answers): {
  destination?: Draft<File["destination"]>;
} {
  const { destinationHost, destinationDatabase, destinationUser } = answers;
  if (!destinationHost) return {};
  return {
    destination: {
      kind: "existing",
      host: destinationHost,
      database: destinationDatabase ?? "<name of the destination's database>",
      user: destinationUser ?? "<role that will own changes>",
    },
  };
}
