/** Where the worker may connect to. Nobody connects to it. */
import { SecurityGroup } from "@cdktf/provider-aws/lib/security-group";
import { VpcSecurityGroupEgressRule } from "@cdktf/provider-aws/lib/vpc-security-group-egress-rule";
import { Construct } from "constructs";

export interface WorkerSecurityGroupProps {
  /** In front of every name. */
  readonly name: string;
  readonly vpcId: string;
}

/** TCP connections that it may open. */
export interface Egress {
  readonly port: number;
  readonly to: { readonly cidr: string } | { readonly securityGroupId: string };
  /** Letters, digits, spaces and `._-:/()#,@[]+=&;{}!$*`; no apostrophe. */
  readonly description: string;
}

export class WorkerSecurityGroup extends Construct {
  readonly securityGroup: SecurityGroup;
  /** No task gets anywhere before they are there. */
  readonly rules: VpcSecurityGroupEgressRule[] = [];
  readonly #open = new Set<string>();

  constructor(scope: Construct, id: string, props: WorkerSecurityGroupProps) {
    super(scope, id);
    const { name, vpcId } = props;
    this.securityGroup = new SecurityGroup(this, "security-group", {
      // A change of the group makes a new one first: tasks hold on to the old.
      namePrefix: `${name}-worker-`,
      description: "Worker: connects, and is never connected to",
      vpcId,
      tags: { Name: `${name}-worker` },
      lifecycle: { createBeforeDestroy: true },
    });
    this.allow("aws", {
      port: 443,
      to: { cidr: "0.0.0.0/0" },
      description: "AWS: image, secrets and log, whose addresses change",
    });
  }

  /** What is open already stays as it is: EC2 refuses the same rule twice. */
  allow(id: string, { port, to, description }: Egress): void {
    const opened = `${port} ${Object.values(to).join()}`;
    if (this.#open.has(opened)) return;
    this.#open.add(opened);
    const rule = new VpcSecurityGroupEgressRule(this, id, {
      securityGroupId: this.securityGroup.id,
      ipProtocol: "tcp",
      fromPort: port,
      toPort: port,
      description,
      ...("cidr" in to
        ? { cidrIpv4: to.cidr }
        : { referencedSecurityGroupId: to.securityGroupId }),
    });
    this.rules.push(rule);
  }
}
