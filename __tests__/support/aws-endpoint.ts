/** AWS's end of the wire, for scripts that run as processes of their own. */
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";

export interface AwsRequest {
  /** As in "DescribeSecret". */
  readonly operation: string;
  readonly body: Record<string, unknown>;
}

export interface AwsAnswer {
  readonly status?: number;
  readonly body: unknown;
}

const CALLER = `<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
  <GetCallerIdentityResult>
    <Arn>arn:aws:iam::111111111111:user/operator</Arn>
    <UserId>AIDAEXAMPLE</UserId>
    <Account>111111111111</Account>
  </GetCallerIdentityResult>
  <ResponseMetadata><RequestId>1</RequestId></ResponseMetadata>
</GetCallerIdentityResponse>`;

export const refusal = (type: string, message = type): AwsAnswer => ({
  status: 400,
  body: { __type: type, message },
});

export class AwsEndpoint implements AsyncDisposable {
  readonly requests: AwsRequest[] = [];

  private constructor(readonly server: Server) {}

  static async start(
    answer: (request: AwsRequest) => AwsAnswer,
  ): Promise<AwsEndpoint> {
    const server = createServer();
    const endpoint = new AwsEndpoint(server);
    server.on("request", async (request, response) => {
      const target = String(request.headers["x-amz-target"] ?? "");
      if (!target) {
        // STS, which has a protocol of its own.
        await text(request);
        response.writeHead(200, { "content-type": "text/xml" });
        response.end(CALLER);
        return;
      }
      const call = {
        operation: target.split(".").at(-1) ?? "",
        body: JSON.parse((await text(request)) || "{}"),
      };
      endpoint.requests.push(call);
      const { status = 200, body } = answer(call);
      response.writeHead(status, {
        "content-type": "application/x-amz-json-1.1",
      });
      response.end(JSON.stringify(body));
    });
    await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
    return endpoint;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((done) => this.server.close(done));
  }
}
