/** A subnet with a route table of its own, and its way to the internet. */
import { Route } from "@cdktf/provider-aws/lib/route";
import { RouteTable } from "@cdktf/provider-aws/lib/route-table";
import { RouteTableAssociation } from "@cdktf/provider-aws/lib/route-table-association";
import { Subnet } from "@cdktf/provider-aws/lib/subnet";
import type { ITerraformDependable } from "cdktf";
import { Construct } from "constructs";

export interface NetworkSubnetProps {
  /** Of the subnet and its route table, as a tag. */
  readonly name: string;
  readonly vpcId: string;
  readonly availabilityZone: string;
  readonly cidr: string;
  /** An internet gateway makes it a public subnet, a NAT gateway a private one. */
  readonly wayOut:
    | { readonly gatewayId: string }
    | { readonly natGatewayId: string };
}

export class NetworkSubnet extends Construct {
  readonly availabilityZone: string;
  readonly subnet: Subnet;
  /** Without inline routes: others add theirs as resources of their own. */
  readonly routeTable: RouteTable;
  /** What has to be there before anything in it reaches the internet. */
  readonly ready: readonly ITerraformDependable[];

  constructor(scope: Construct, id: string, props: NetworkSubnetProps) {
    super(scope, id);
    const { name, vpcId, availabilityZone } = props;
    this.availabilityZone = availabilityZone;

    this.subnet = new Subnet(this, "subnet", {
      vpcId,
      availabilityZone,
      cidrBlock: props.cidr,
      mapPublicIpOnLaunch: false,
      tags: { Name: name },
    });
    this.routeTable = new RouteTable(this, "route-table", {
      vpcId,
      tags: { Name: name },
    });
    const association = new RouteTableAssociation(this, "association", {
      subnetId: this.subnet.id,
      routeTableId: this.routeTable.id,
    });
    const route = new Route(this, "internet", {
      routeTableId: this.routeTable.id,
      destinationCidrBlock: "0.0.0.0/0",
      ...props.wayOut,
    });
    this.ready = [association, route];
  }
}
