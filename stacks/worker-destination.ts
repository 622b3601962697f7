/** The database that `changes` is in: one that the kit makes, or one that is there. */
import type { ITerraformDependable } from "cdktf";
import type { Construct } from "constructs";
import type { Environment, WorkerEnvironment } from "../config/environment";
import { namesOf } from "../config/names";
import { AuditDatabase } from "../constructs/audit-database";
import type { WorkerNetwork } from "../constructs/worker-network";
import type { FoundationStack } from "./foundation-stack";
import { given } from "./given";
import { destinationEgress, type EgressRules } from "./worker-egress";
import type { DestinationEndpoint } from "./worker-variables";

export interface WorkerDestination {
  readonly endpoint: DestinationEndpoint;
  /** To be opened for the worker. */
  readonly egress: EgressRules;
  /** What has to be there before it answers anybody. */
  readonly ready: readonly ITerraformDependable[];
}

export interface WorkerDestinationProps {
  readonly environment: Environment;
  readonly worker: WorkerEnvironment;
  readonly foundation: FoundationStack;
  readonly network: WorkerNetwork;
  /** Of the tasks: nobody else connects to a database of the kit's own. */
  readonly clientSecurityGroupId: string;
}

export function addDestination(
  scope: Construct,
  props: WorkerDestinationProps,
): WorkerDestination {
  const { destination } = props.environment;
  if (destination.kind === "aurora") {
    return addDatabase(scope, destination, props);
  }
  const { secrets } = props.foundation;
  return {
    endpoint: {
      host: destination.host,
      port: String(destination.port),
      database: destination.database,
      user: destination.user,
      secretArn: given(secrets.destination, "the destination's secret").arn,
    },
    egress: destinationEgress(destination),
    ready: [],
  };
}

/** The worker writes as its administrator, whose password only RDS knows. */
function addDatabase(
  scope: Construct,
  destination: Extract<Environment["destination"], { kind: "aurora" }>,
  props: WorkerDestinationProps,
): WorkerDestination {
  const { environment, worker, foundation, network } = props;
  const name = namesOf(environment.name).auditDatabase;
  const database = new AuditDatabase(scope, "audit-database", {
    name,
    accountId: worker.account.id,
    region: worker.account.region,
    vpcId: network.vpcId,
    subnetIds: network.privateSubnetIds,
    clientSecurityGroupIds: [props.clientSecurityGroupId],
    kmsKeyArn: foundation.kmsKeyArn,
    engineVersion: destination.engineVersion,
    minCapacityAcu: destination.minCapacityAcu,
    maxCapacityAcu: destination.maxCapacityAcu,
    backupRetentionDays: destination.backupRetentionDays,
    deletionProtection: destination.deletionProtection,
    readers: destination.readers,
    finalSnapshotIdentifier: `${name}-${destination.finalSnapshotSuffix}`,
    logRetentionDays: worker.logRetentionDays,
    alarmTopicArn: foundation.alertTopicArn,
  });
  const { endpoint: host, port, securityGroupId } = database;
  return {
    endpoint: {
      host,
      port: String(port),
      database: database.databaseName,
      user: database.masterUsername,
      secretArn: database.masterSecretArn,
    },
    egress: destinationEgress({ host, port, securityGroupId }),
    // A cluster answers nobody before its writer is there.
    ready: database.instances.slice(0, 1),
  };
}
