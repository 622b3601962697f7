/**
 * What the source database needs to be read from: a parameter group, which is
 * attached to it by hand or by a script, because the database is not ours.
 *
 * Its alarms go to the foundation's topic in this account and region: an alarm
 * can only use a topic of its own, and the VPN node's go there as well.
 */
import { TerraformOutput } from "cdktf";
import type { Construct } from "constructs";
import type { Environment } from "../config/environment";
import { namesOf } from "../config/names";
import { slotLimitMib } from "../config/slot-limit";
import { ReplicationParameterGroup } from "../constructs/replication-parameter-group";
import { SourceAlarms } from "../constructs/source-alarms";
import { EnvironmentStack } from "./environment-stack";
import type { FoundationStack } from "./foundation-stack";

type Rds = NonNullable<Environment["source"]["rds"]>;

export class SourceDatabaseStack extends EnvironmentStack {
  readonly parameterGroup: ReplicationParameterGroup;
  readonly alarms: SourceAlarms;

  constructor(
    scope: Construct,
    id: string,
    {
      environment,
      rds,
      foundation,
    }: {
      environment: Environment;
      /** `source.rds` of the environment, without which there is no such stack. */
      rds: Rds;
      foundation: FoundationStack;
    },
  ) {
    const { account, maxReplicationSlots } = environment.source;
    super(scope, id, { environment, account });
    const { prefix } = namesOf(environment.name);
    const maxSlotWalKeepSizeMib = slotLimitMib(environment);
    this.parameterGroup = new ReplicationParameterGroup(
      this,
      "parameter-group",
      {
        namePrefix: `${prefix}-source-`,
        kind: rds.kind,
        majorVersion: rds.majorVersion,
        maxSlotWalKeepSizeMib,
        maxReplicationSlots,
        parameters: rds.parameters,
      },
    );
    this.alarms = new SourceAlarms(this, "alarms", {
      namePrefix: prefix,
      source: rds,
      maxSlotWalKeepSizeMib,
      topicArn: foundation.sourceAlertTopicArn,
    });
    const group = this.parameterGroup.group.name;
    new TerraformOutput(this, "parameter_group_name", {
      value: group,
      description: "Makes the source write its log for logical replication.",
      staticId: true,
    });
    new TerraformOutput(this, "left_to_do", {
      value: leftToDo(environment, rds, group),
      description: "Until then the worker cannot read from the source.",
      staticId: true,
    });
  }
}

/** One sentence with the commands. */
function leftToDo(
  { source }: Environment,
  { kind, identifier, parameters }: Rds,
  group: string,
): string {
  const aws = (command: string) =>
    `\`aws rds ${command} --region ${source.account.region}\``;
  const [attach, status, reboot] =
    kind === "instance"
      ? [
          `modify-db-instance --db-instance-identifier ${identifier} --db-parameter-group-name ${group} --apply-immediately`,
          `describe-db-instances --db-instance-identifier ${identifier} --query 'DBInstances[0].DBParameterGroups[0].ParameterApplyStatus' --output text`,
          `reboot-db-instance --db-instance-identifier ${identifier} --no-force-failover`,
        ]
      : [
          `modify-db-cluster --db-cluster-identifier ${identifier} --db-cluster-parameter-group-name ${group} --apply-immediately`,
          `describe-db-clusters --db-cluster-identifier ${identifier} --query 'DBClusters[0].DBClusterMembers[?IsClusterWriter].[DBInstanceIdentifier,DBClusterParameterGroupStatus]' --output text`,
          "reboot-db-instance --db-instance-identifier WRITER",
        ];
  const writer =
    kind === "instance" ? "" : ", with the writer's name before it";
  // Which not every version does by itself.
  const tls =
    parameters["rds.force_ssl"] === undefined
      ? " (clients without TLS are refused from then on, unless source.rds.parameters sets rds.force_ssl to 0)"
      : "";
  return `Attach the group, in place of the one that the database has, with ${aws(attach)}${tls}, wait until ${aws(status)} prints pending-reboot${writer}, and reboot the database, which takes its connections for some seconds to minutes, with ${aws(reboot)}.`;
}
