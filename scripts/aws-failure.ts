/** An error of the AWS SDK as one sentence: what, why, and what to do. */
import { Failure } from "./command-line";

export interface Attempt {
  /** As in "read the secret bemi/prod/ssh in 111111111111, us-west-1". */
  readonly doing: string;
  /** By the error's name: what this attempt knows better. */
  readonly meanings?: Readonly<Record<string, string>>;
  /** A message of AWS may repeat what was sent: not shown then. */
  readonly secretSent?: boolean;
}

export function awsFailure(error: unknown, attempt: Attempt): Failure {
  if (error instanceof Failure) return error;
  const { name, code, message, throttled } = factsOf(error);
  const reason =
    attempt.meanings?.[name] ??
    (throttled ? THROTTLED : undefined) ??
    KNOWN[name] ??
    KNOWN[code] ??
    (attempt.secretSent ? name || code : `${name || code}: ${message}`);
  return new Failure(`could not ${attempt.doing}: ${reason}`);
}

const THROTTLED =
  "AWS was asked too often and still refused after several attempts; wait a minute and run the same command again";

const UNREACHABLE =
  "AWS cannot be reached from here; check the network, the proxy and the region, then run the same command again";

const NO_CREDENTIALS =
  "there are no AWS credentials; set AWS_PROFILE, or sign in with aws sso login";

const STALE_CREDENTIALS =
  "AWS does not accept the credentials; they have expired or are wrong: sign in again (aws sso login), or set AWS_PROFILE";

const KMS =
  "its KMS key cannot be used; allow kms:Decrypt and kms:GenerateDataKey on it to the role that runs this, and see that the key is enabled";

const KNOWN: Readonly<Record<string, string>> = {
  CredentialsProviderError: NO_CREDENTIALS,
  ExpiredTokenException: STALE_CREDENTIALS,
  ExpiredToken: STALE_CREDENTIALS,
  TokenProviderError: STALE_CREDENTIALS,
  UnrecognizedClientException: STALE_CREDENTIALS,
  InvalidClientTokenId: STALE_CREDENTIALS,
  InvalidSignatureException: STALE_CREDENTIALS,
  SignatureDoesNotMatch: STALE_CREDENTIALS,
  DecryptionFailure: KMS,
  EncryptionFailure: KMS,
  KmsException: KMS,
  ECONNREFUSED: UNREACHABLE,
  ECONNRESET: UNREACHABLE,
  ENOTFOUND: UNREACHABLE,
  EAI_AGAIN: UNREACHABLE,
  ETIMEDOUT: UNREACHABLE,
  EHOSTUNREACH: UNREACHABLE,
  ENETUNREACH: UNREACHABLE,
  EPIPE: UNREACHABLE,
  TimeoutError: UNREACHABLE,
};

const THROTTLING =
  /^(Throttling|ThrottlingException|ThrottledException|TooManyRequestsException|RequestLimitExceeded|SlowDown|LimitExceededException)$/;

function factsOf(error: unknown) {
  if (!(error instanceof Error)) {
    return { name: "", code: "", message: String(error), throttled: false };
  }
  const { code = "", $retryable } = error as NodeJS.ErrnoException & {
    $retryable?: { throttling?: boolean };
  };
  return {
    name: error.name,
    code,
    message: error.message,
    throttled: THROTTLING.test(error.name) || $retryable?.throttling === true,
  };
}
