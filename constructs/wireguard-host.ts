/**
 * A WireGuard host: the node that dials out of the database's VPC, or the
 * server that listens in the worker's. One EC2 instance, replaced whole when
 * anything in its user_data changes.
 *
 * Among that is the other end's public key: a changed one replaces the host. It
 * could be fetched instead, but then whoever may write where it is fetched from
 * could put himself at the other end of the tunnel.
 */
import { CloudwatchLogGroup } from "@cdktf/provider-aws/lib/cloudwatch-log-group";
import { CloudwatchLogStream } from "@cdktf/provider-aws/lib/cloudwatch-log-stream";
import { DataAwsSsmParameter } from "@cdktf/provider-aws/lib/data-aws-ssm-parameter";
import { Eip } from "@cdktf/provider-aws/lib/eip";
import { EipAssociation } from "@cdktf/provider-aws/lib/eip-association";
import { IamInstanceProfile } from "@cdktf/provider-aws/lib/iam-instance-profile";
import { IamRole } from "@cdktf/provider-aws/lib/iam-role";
import { IamRolePolicy } from "@cdktf/provider-aws/lib/iam-role-policy";
import { Instance } from "@cdktf/provider-aws/lib/instance";
import { SecurityGroup } from "@cdktf/provider-aws/lib/security-group";
import { VpcSecurityGroupEgressRule } from "@cdktf/provider-aws/lib/vpc-security-group-egress-rule";
import { VpcSecurityGroupIngressRule } from "@cdktf/provider-aws/lib/vpc-security-group-ingress-rule";
import { Construct } from "constructs";
import { WireGuardAlarms } from "./wireguard-alarms";
import {
  rulesOf,
  type ServerEnd,
  userDataOf,
  type WireGuardHostProps,
} from "./wireguard-host-props";
import { permissionsPolicy, TRUST_POLICY } from "./wireguard-permissions";
import type { SecurityRule } from "./wireguard-rules";

export class WireGuardHost extends Construct {
  readonly securityGroup: SecurityGroup;
  readonly role: IamRole;
  readonly logGroup: CloudwatchLogGroup;
  readonly instance: Instance;
  readonly alarms: WireGuardAlarms;
  /** Of the server only. */
  readonly address: Eip | undefined;
  readonly #logStream: CloudwatchLogStream;

  constructor(
    scope: Construct,
    id: string,
    private readonly props: WireGuardHostProps,
  ) {
    super(scope, id);
    const { end } = props;
    this.securityGroup = this.#createSecurityGroup();
    this.logGroup = new CloudwatchLogGroup(this, "log-group", {
      name: props.logGroupName,
      retentionInDays: props.logRetentionDays ?? 365,
      kmsKeyId: props.kmsKeyArn,
    });
    this.#logStream = new CloudwatchLogStream(this, "log-stream", {
      name: end.kind,
      logGroupName: this.logGroup.name,
    });
    this.role = new IamRole(this, "role", {
      name: props.name,
      description: `WireGuard ${end.kind} of ${props.environment}`,
      assumeRolePolicy: TRUST_POLICY,
    });
    this.instance = this.#createInstance();
    this.address = end.kind === "server" ? this.#createAddress(end) : undefined;
    this.alarms = new WireGuardAlarms(this, "alarms", {
      namePrefix: props.name,
      region: props.region,
      instanceId: this.instance.id,
      instanceType: props.instanceType,
      metricNamespace: props.metricNamespace,
      dimensions: { Environment: props.environment, Host: end.kind },
      topicArn: props.alertTopicArn,
    });
  }

  #createSecurityGroup(): SecurityGroup {
    const { name, vpcId, end, databasePort } = this.props;
    const group = new SecurityGroup(this, "security-group", {
      namePrefix: `${name}-`,
      description: `WireGuard ${end.kind} of Bemi`,
      vpcId,
      tags: { Name: name },
      // An instance cannot be without one while the other is made.
      lifecycle: { createBeforeDestroy: true },
    });
    for (const rule of rulesOf(this.props)) this.#addRule(group, rule);
    if (end.kind === "node" && end.databaseSecurityGroupId) {
      new VpcSecurityGroupIngressRule(this, "database-ingress", {
        securityGroupId: end.databaseSecurityGroupId,
        referencedSecurityGroupId: group.id,
        ipProtocol: "tcp",
        fromPort: databasePort,
        toPort: databasePort,
        description: "PostgreSQL from the VPN node of Bemi",
      });
    }
    return group;
  }

  #addRule(group: SecurityGroup, rule: SecurityRule): void {
    const Rule =
      rule.direction === "ingress"
        ? VpcSecurityGroupIngressRule
        : VpcSecurityGroupEgressRule;
    new Rule(this, rule.id, {
      securityGroupId: group.id,
      ipProtocol: rule.protocol,
      fromPort: rule.port,
      toPort: rule.port,
      description: rule.description,
      ...(rule.cidr ? { cidrIpv4: rule.cidr } : {}),
      ...(rule.securityGroupId
        ? { referencedSecurityGroupId: rule.securityGroupId }
        : {}),
    });
  }

  #createInstance(): Instance {
    const { props } = this;
    const isServer = props.end.kind === "server";
    const policy = new IamRolePolicy(this, "role-policy", {
      name: "wireguard",
      role: this.role.id,
      policy: permissionsPolicy({
        region: props.region,
        secretArn: props.secret.arn,
        kmsKeyArn: props.kmsKeyArn,
        metricNamespace: props.metricNamespace,
        logStreamArn: this.#logStream.arn,
        sessionManager: props.sessionManager ?? false,
      }),
    });
    const profile = new IamInstanceProfile(this, "instance-profile", {
      name: props.name,
      role: this.role.name,
    });
    const keyName = props.end.kind === "node" && props.end.ssh?.keyName;
    return new Instance(this, "instance", {
      ami: props.amiId ?? this.#newestImage(),
      instanceType: props.instanceType,
      subnetId: props.subnetId,
      vpcSecurityGroupIds: [this.securityGroup.id],
      iamInstanceProfile: profile.name,
      userData: userDataOf(props),
      // Otherwise a change would stop and start it, and never be run.
      userDataReplaceOnChange: true,
      // The node's packets have its own address, as it masquerades; the server's
      // come from the worker and go to the database. The argument is not on an
      // interface of its own: the provider resets it there at every second
      // deployment (hashicorp/terraform-provider-aws#44768).
      sourceDestCheck: !isServer,
      // Of the server it is left to the association: false there would replace
      // the instance at every deployment (hashicorp/terraform-provider-aws#37318).
      ...(isServer ? {} : { associatePublicIpAddress: false }),
      ...(keyName ? { keyName } : {}),
      metadataOptions: {
        httpEndpoint: "enabled",
        httpTokens: "required",
        httpPutResponseHopLimit: 1,
      },
      rootBlockDevice: {
        volumeType: "gp3",
        volumeSize: 8,
        encrypted: true,
        kmsKeyId: props.kmsKeyArn,
        deleteOnTermination: true,
      },
      ...(props.instanceType.startsWith("t")
        ? { creditSpecification: { cpuCredits: "standard" } }
        : {}),
      maintenanceOptions: { autoRecovery: "default" },
      monitoring: true,
      ebsOptimized: true,
      // Nothing is on it that is not made again; replacing it is routine.
      disableApiTermination: false,
      tags: { Name: props.name },
      // A new image alone replaces nothing; with another reason it is taken.
      lifecycle: { ignoreChanges: ["ami"] },
      dependsOn: [policy, this.#logStream, ...(props.wayOut ?? [])],
    });
  }

  #newestImage(): string {
    return new DataAwsSsmParameter(this, "image", {
      name: `/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-${this.props.architecture}`,
    }).insecureValue;
  }

  /** Outlives the instance: the node, and a customer's firewall, know it. */
  #createAddress({ keepAddress }: ServerEnd): Eip {
    const address = new Eip(this, "address", {
      domain: "vpc",
      tags: { Name: this.props.name },
      lifecycle: { preventDestroy: keepAddress },
    });
    new EipAssociation(this, "address-association", {
      allocationId: address.allocationId,
      instanceId: this.instance.id,
    });
    return address;
  }
}
