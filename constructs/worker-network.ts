/**
 * Where the worker lives: a VPC of two availability zones, whose private
 * subnets reach the internet through one NAT gateway, from one fixed address.
 */
import { DefaultSecurityGroup } from "@cdktf/provider-aws/lib/default-security-group";
import { Eip } from "@cdktf/provider-aws/lib/eip";
import { InternetGateway } from "@cdktf/provider-aws/lib/internet-gateway";
import { NatGateway } from "@cdktf/provider-aws/lib/nat-gateway";
import { Vpc } from "@cdktf/provider-aws/lib/vpc";
import { VpcEndpoint } from "@cdktf/provider-aws/lib/vpc-endpoint";
import type { ITerraformDependable } from "cdktf";
import { Construct } from "constructs";
import { NetworkSubnet } from "./network-subnet";
import { VpcFlowLog } from "./vpc-flow-log";

/** A network that the worker can be put in, made here or there already. */
export interface WorkerNetwork {
  readonly vpcId: string;
  readonly privateSubnetIds: string[];
  /**
   * Route tables of the private subnets, by a name that stays; routes to the
   * database go there.
   */
  readonly privateRouteTableIds: Readonly<Record<string, string>>;
  /** @default - no place for a VPN server */
  readonly publicSubnetId?: string | undefined;
  readonly cidr: string;
  /** Addresses that the worker's connections to the internet come from. */
  readonly staticIps: string[];
  /**
   * What has to be there before anything in it reaches the internet: a task
   * that starts earlier cannot fetch its image, and counts as a failed one.
   * @default - it is all there
   */
  readonly wayOut?: readonly ITerraformDependable[];
}

export interface OwnWorkerNetworkProps {
  /** In front of every name. */
  readonly name: string;
  readonly region: string;
  /** 12 digits; for the condition of who may assume the flow log's role. */
  readonly accountId: string;
  /** Of the VPC. */
  readonly cidr: string;
  /** The first one holds the NAT gateway. */
  readonly zones: readonly NetworkZone[];
  readonly flowLog: {
    readonly logGroupName: string;
    readonly retentionDays: number;
    readonly kmsKeyArn: string;
  };
}

export interface NetworkZone {
  /** As in us-west-1a. Its subnets are known by it, not by their place. */
  readonly availabilityZone: string;
  readonly publicCidr: string;
  readonly privateCidr: string;
}

/**
 * Cost, list price of us-east-1: the NAT gateway about 33 USD a month and
 * 0.045 USD a GB, its address 3.65 USD. A second one would be a second address
 * to allow everywhere; while the zone of the only one is down, the source keeps
 * its log.
 */
export class OwnWorkerNetwork extends Construct implements WorkerNetwork {
  readonly vpc: Vpc;
  readonly natGateway: NatGateway;
  /** Its address is the static one. */
  readonly staticAddress: Eip;
  readonly publicSubnets: readonly NetworkSubnet[];
  readonly privateSubnets: readonly NetworkSubnet[];
  readonly flowLog: VpcFlowLog;
  readonly cidr: string;

  constructor(scope: Construct, id: string, props: OwnWorkerNetworkProps) {
    super(scope, id);
    const { name, zones } = props;
    this.cidr = props.cidr;

    this.vpc = new Vpc(this, "vpc", {
      cidrBlock: props.cidr,
      enableDnsHostnames: true,
      enableDnsSupport: true,
      tags: { Name: `${name}-worker` },
    });
    const vpcId = this.vpc.id;
    // Without rules: what is started without a group of its own is closed.
    new DefaultSecurityGroup(this, "default-security-group", {
      vpcId,
      tags: { Name: `${name}-default` },
    });
    this.flowLog = new VpcFlowLog(this, "flow-log", {
      name,
      region: props.region,
      accountId: props.accountId,
      vpcId,
      ...props.flowLog,
    });
    const gateway = new InternetGateway(this, "internet-gateway", {
      vpcId,
      tags: { Name: `${name}-worker` },
    });

    this.publicSubnets = zones.map(
      ({ availabilityZone, publicCidr }) =>
        new NetworkSubnet(this, `public-${availabilityZone}`, {
          name: `${name}-public-${availabilityZone}`,
          vpcId,
          availabilityZone,
          cidr: publicCidr,
          wayOut: { gatewayId: gateway.id },
        }),
    );
    const [first] = this.publicSubnets;
    if (!first) throw new Error("zones: got none, and one at least is needed");
    this.staticAddress = new Eip(this, "static-address", {
      domain: "vpc",
      tags: { Name: `${name}-worker` },
      dependsOn: [gateway],
    });
    this.natGateway = new NatGateway(this, "nat-gateway", {
      subnetId: first.subnet.id,
      allocationId: this.staticAddress.id,
      connectivityType: "public",
      tags: { Name: `${name}-worker` },
      dependsOn: [gateway, ...first.ready],
    });
    this.privateSubnets = zones.map(
      ({ availabilityZone, privateCidr }) =>
        new NetworkSubnet(this, `private-${availabilityZone}`, {
          name: `${name}-private-${availabilityZone}`,
          vpcId,
          availabilityZone,
          cidr: privateCidr,
          wayOut: { natGatewayId: this.natGateway.id },
        }),
    );

    // Free of charge; the image's layers would pass the NAT gateway otherwise.
    new VpcEndpoint(this, "s3", {
      vpcId,
      vpcEndpointType: "Gateway",
      serviceName: `com.amazonaws.${props.region}.s3`,
      routeTableIds: [...this.publicSubnets, ...this.privateSubnets].map(
        ({ routeTable }) => routeTable.id,
      ),
      policy: READ_ONLY,
      tags: { Name: `${name}-s3` },
    });
  }

  get vpcId(): string {
    return this.vpc.id;
  }

  get privateSubnetIds(): string[] {
    return this.privateSubnets.map(({ subnet }) => subnet.id);
  }

  get privateRouteTableIds(): Readonly<Record<string, string>> {
    return Object.fromEntries(
      this.privateSubnets.map(({ availabilityZone, routeTable }) => [
        availabilityZone,
        routeTable.id,
      ]),
    );
  }

  get publicSubnetId(): string | undefined {
    return this.publicSubnets[0]?.subnet.id;
  }

  get staticIps(): string[] {
    return [this.staticAddress.publicIp];
  }

  get wayOut(): readonly ITerraformDependable[] {
    return this.privateSubnets.flatMap(({ ready }) => ready);
  }
}

/** An image's layers and the operating system's packages: nothing is written. */
const READ_ONLY = JSON.stringify({
  Version: "2012-10-17",
  Statement: [
    { Effect: "Allow", Principal: "*", Action: "s3:GetObject", Resource: "*" },
  ],
});
