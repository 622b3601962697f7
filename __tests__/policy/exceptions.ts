/**
 * What the kit does otherwise than a rule has it, and why. The one list: the
 * scanners' own files, .checkov.yaml and .trivyignore.yaml, are checked
 * against it.
 */
export interface Exception {
  /** The rule's, all of them that mean the same. */
  readonly ids: readonly string[];
  /** Of `stack type.path`; everything else of the kind has to obey. */
  readonly where: RegExp;
  readonly reason: string;
}

export const exceptions: readonly Exception[] = [
  {
    ids: ["CKV2_AWS_57", "SMG4"],
    where: /^foundation aws_secretsmanager_secret /,
    reason:
      "Keys of the tunnel and of SSH are rotated at both ends at once by `npm run keys -- <env> --rotate`, and passwords where their role is: a Lambda function would do neither.",
  },
  {
    ids: ["AWS-0107"],
    where: /^worker aws_vpc_security_group_ingress_rule /,
    reason:
      "WireGuard's UDP port answers nobody without its key, and the address that the node dials from is not always fixed; connection.server.allowedCidrs narrows it.",
  },
  {
    ids: ["AWS-0104"],
    where: /^(vpn-node|worker) aws_vpc_security_group_egress_rule /,
    reason:
      "AWS's interfaces, package mirrors, and a jump host or database outside of the known networks have no fixed addresses; each is one port, and everything else is closed.",
  },
  {
    ids: ["CKV_AWS_46"],
    where: /^(vpn-node|worker) aws_instance /,
    reason:
      "It takes a WireGuard PublicKey for an AWS secret key; that every key in user_data is a public one is checked by __tests__/policy/secrets.test.ts.",
  },
  {
    ids: ["EC29"],
    where: /^(vpn-node|worker) aws_instance /,
    reason:
      "A host of the tunnel keeps nothing: its replacement by a changed script or a raised generation would be refused half-way.",
  },
  {
    ids: ["CKV2_AWS_8"],
    where: /^worker aws_rds_cluster /,
    reason:
      "Aurora's own continuous backup restores to any second of 14 days; a plan of AWS Backup is the account's to decide on.",
  },
  {
    ids: ["RDS11"],
    where: /^worker aws_rds_cluster /,
    reason:
      "The port is closed to all but the worker; another number would not hide it, and every tool would have to be told.",
  },
];
