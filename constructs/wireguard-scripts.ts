/**
 * The shell scripts of a WireGuard host. None of them has a dollar sign before a
 * brace: Terraform would take it for an expression of its own.
 */
import { KEY_COMMAND } from "./wireguard-configuration";
import type { WireGuardSettings } from "./wireguard-values";

export const SAY_COMMAND = "/usr/local/sbin/bemi-vpn-say";
export const WATCH_COMMAND = "/usr/local/sbin/bemi-vpn-watch";

/** Dimension of the metrics. */
export type End = "node" | "server";

/** WireGuard renews the handshake of a living tunnel every 120 s. */
const STALE_SECONDS = 180;
const RESTART_SECONDS = 600;
const KEY_CHECK_SECONDS = 300;
/** A minute of looks, less one: a metric is asked for every minute. */
const REPORT_SECONDS = 50;

/** A line to the journal and to CloudWatch Logs, where it outlives the host. */
export function renderSayScript({
  region,
  logGroupName,
  logStreamName,
}: WireGuardSettings): string {
  return `#!/bin/bash
set -uo pipefail
# What would end the JSON string below is left out.
text=$(printf '%s' "$*" | tr -c '[:alnum:] .,:;?/_=+@()#-' ' ')
echo "bemi-vpn: $text"
timeout 20 aws logs put-log-events --region ${region} \\
  --log-group-name ${logGroupName} --log-stream-name ${logStreamName} \\
  --log-events "[{\\"timestamp\\":$(date +%s)000,\\"message\\":\\"$text\\"}]" >/dev/null || true
`;
}

/**
 * From Secrets Manager through a pipe into the kernel: the private key is in no
 * file, no argument and no variable of the environment.
 */
export function renderKeyScript({
  region,
  secretName,
  peerPublicKey,
}: WireGuardSettings): string {
  return `#!/bin/bash
# Prints the public key of the pair in the secret; with "set" gives wg0 the private one.
set -euo pipefail
fail() { echo "key: $1" >&2; exit 1; }
secret=$(timeout 30 aws secretsmanager get-secret-value --region ${region} \\
  --secret-id ${secretName} --query SecretString --output text) \\
  || fail "the secret ${secretName} could not be read: is there a value in it (npm run keys), may this host read it?"
field() {
  printf '%s\\n' "$secret" | tr -d '\\\\\\n' \\
    | sed -n 's|.*"'"$1"'"[[:space:]]*:[[:space:]]*"\\([A-Za-z0-9+/]\\{43\\}=\\)".*|\\1|p'
}
private=$(field privateKey)
[ -n "$private" ] || fail "the secret ${secretName} has no privateKey of 44 base64 characters"
public=$(printf '%s\\n' "$private" | wg pubkey)
[ "$(field publicKey)" = "$public" ] || fail "publicKey in the secret ${secretName} does not belong to its privateKey"
# The kernel would remove the peer without a word.
[ "$public" != "${peerPublicKey}" ] || fail "the secret ${secretName} has the key of the other end"
if [ "$#" -gt 0 ] && [ "$1" = set ]; then
  printf '%s\\n' "$private" | wg set wg0 private-key /dev/stdin
fi
echo "$public"
`;
}

/**
 * Runs every 20 seconds. Healing comes first: a call to AWS may take its time.
 * @param endpoint - of the peer, when this end is the one that dials
 */
export function renderWatchScript(
  settings: WireGuardSettings,
  end: End,
  endpoint?: string,
): string {
  const { region, environment, metricNamespace, peerPublicKey } = settings;
  const resolve = endpoint
    ? `
# The other end's name may have got another address. A living tunnel that has
# nothing to carry is silent too, and a look at the name takes nothing from it.
read -r _ received _ < <(wg show wg0 transfer 2>/dev/null) || received=0
if [ "$received" = "$(recall received none)" ]; then silent=1; else silent=0; fi
remember received "$received"
if [ -n "$running" ] && [ "$running" != "(none)" ] && { [ "$dead" = 1 ] || [ "$silent" = 1 ]; }; then
  WG_ENDPOINT_RESOLUTION_RETRIES=1 timeout 20 wg set wg0 peer ${peerPublicKey} endpoint ${endpoint} || true
fi
`
    : "";
  const dimensions = `Dimensions=[{Name=Environment,Value=${environment}},{Name=Host,Value=${end}}]`;
  return `#!/bin/bash
set -uo pipefail
state=/run/bemi-vpn
mkdir -p "$state"
remember() { printf '%s\\n' "$2" > "$state/$1"; }
recall() { cat "$state/$1" 2>/dev/null || printf '%s\\n' "$2"; }
now=$(date +%s)

running=$(wg show wg0 public-key 2>/dev/null) || running=
read -r _ handshake < <(wg show wg0 latest-handshakes 2>/dev/null) || handshake=0
# A restart of the interface forgets it; without any it counts from the first look.
if [ "$handshake" -gt 0 ]; then remember handshake "$handshake"
elif [ ! -f "$state/handshake" ]; then remember handshake "$now"; fi
age=$((now - $(recall handshake "$now")))
if [ "$handshake" = 0 ] || [ "$age" -gt ${STALE_SECONDS} ]; then dead=1; else dead=0; fi
${resolve}
# Again at once after a failure: a moment without the API is no alarm.
if [ "$dead" = 1 ] || [ -n "$(recall key-problem "")" ] || [ $((now - $(recall key-checked 0))) -ge ${KEY_CHECK_SECONDS} ]; then
  remember key-checked "$now"
  if ${KEY_COMMAND} > "$state/key" 2> "$state/key-error"; then
    remember key-problem ""
  else
    remember key-problem "$(tail -n 2 "$state/key-error" | tr '\\n' ' ')"
    : > "$state/key"
  fi
fi
current=$(recall key "")
problem=$(recall key-problem "")

if [ -z "$running" ]; then
  status="wg0 is not up"
  [ -n "$problem" ] || systemctl restart wg-quick@wg0.service || true
elif [ "$running" = "(none)" ]; then
  status="wg0 has no key"
  ${KEY_COMMAND} set >/dev/null && status="gave wg0 its key"
elif [ "$dead" = 1 ]; then
  since=yet
  [ "$age" -le ${STALE_SECONDS} ] || since="for more than ${STALE_SECONDS / 60} minutes"
  status="no handshake $since: the other end is down, UDP does not get through, or it does not know the public key $running"
  # Not before the peer has stopped to accept the old one: so a rotation needs
  # no minute agreed on, and a key too early does not cut a living tunnel.
  if [ -n "$current" ] && [ "$current" != "$running" ]; then
    ${KEY_COMMAND} set >/dev/null && status="took the new key $current from the secret, in place of $running"
  fi
  # Never without a key at hand: the one in the kernel would be lost.
  if [ "$age" -gt ${RESTART_SECONDS} ] && [ -z "$problem" ] && [ $((now - $(recall restarted 0))) -ge ${RESTART_SECONDS} ]; then
    remember restarted "$now"
    systemctl restart wg-quick@wg0.service || true
  fi
else
  status="the tunnel is up with the key $running"
  if [ -n "$current" ] && [ "$current" != "$running" ]; then
    status="$status; the secret has $current, which is taken as soon as the other end refuses this one"
  fi
fi

if [ -n "$problem" ]; then fault=1; status="$status; $problem"; else fault=0; fi
if [ $((now - $(recall reported 0))) -ge ${REPORT_SECONDS} ]; then
  remember reported "$now"
  timeout 20 aws cloudwatch put-metric-data --region ${region} --namespace ${metricNamespace} --metric-data \\
    "MetricName=HandshakeAgeSeconds,Unit=Seconds,Value=$age,${dimensions}" \\
    "MetricName=KeyFault,Unit=Count,Value=$fault,${dimensions}" || true
fi
if [ "$status" != "$(recall said "")" ]; then
  remember said "$status"
  ${SAY_COMMAND} "$status"
fi
`;
}
