import type { Environment } from "../../config/environment";
import { workerVariables } from "../../config/worker-variables";
import {
  type WorkerEndpoints,
  type WorkerVariables,
  workerVariablesOf,
} from "../../stacks/worker-variables";
import { readSettings, type Settings } from "../../worker/settings/settings";
import { CertificateAuthority } from "../support/certificate-authority";
import {
  changedEnvironment,
  type EnvironmentName,
  environmentNames,
  environmentOf,
} from "../support/environments";
import { generateSshKey } from "../support/ssh-keys";

const endpoints: WorkerEndpoints = {
  destination: {
    host: "audit.cluster-abcdef5ghij.us-west-1.rds.amazonaws.com",
    port: "5432",
    database: "audit",
    user: "trail",
    secretArn: "arn:destination",
  },
  secrets: { source: "arn:source", ssh: "arn:ssh" },
};

const client = new CertificateAuthority("Clients").issue({ commonName: "x" });

/** What Secrets Manager would have, by ARN and key. */
const secretValues: Readonly<Record<string, string>> = {
  "arn:source password": "of the source",
  "arn:destination password": "of the destination",
  "arn:ssh privateKey": generateSshKey().private,
  "arn:source clientKey": client.key,
  "arn:destination clientKey": client.key,
};

/** What a task's process has. */
function processOf({ environment, secrets }: WorkerVariables) {
  const filled = Object.entries(secrets).map(([name, { arn, key }]) => {
    const value = secretValues[`${arn} ${key}`];
    if (!value) throw new Error(`no secret has the key ${key} of ${arn}`);
    return [name, value];
  });
  return { ...environment, ...Object.fromEntries(filled) };
}

function settingsOf(environment: Environment, shard?: number): Settings {
  const chosen =
    shard === undefined ? undefined : environment.worker?.shards[shard];
  return readSettings(
    processOf(workerVariablesOf(environment, chosen, endpoints)),
  );
}

const withWorker = environmentNames.filter(
  (name) => environmentOf(name).worker,
);

test.each(withWorker)(
  "%s: the worker accepts what its task has, and knows all of it",
  async (name) => {
    const environment = environmentOf(name);
    const settings = settingsOf(environment);
    expect(settings.warnings).toEqual([]);
    const { source, destination } = settings;
    expect(source).toMatchObject({
      port: environment.source.port,
      database: environment.source.database,
      user: environment.source.user,
      tls: { mode: "verify-full", serverName: environment.source.host },
    });
    expect(await source.password()).toBe("of the source");
    expect(settings.destinationIsSource).toBe(false);
    expect(destination).toMatchObject({
      host: endpoints.destination.host,
      port: 5432,
      database: "audit",
      user: "trail",
      tls: { mode: "verify-full", serverName: endpoints.destination.host },
    });
    expect(await destination.password()).toBe("of the destination");
    expect(settings.metrics).toBe("emf");
    expect(settings.metricsEnvironment).toBe(name);
  },
);

test.each(withWorker)("%s: only variables of the table", (name) => {
  const { environment, secrets } = workerVariablesOf(
    environmentOf(name),
    undefined,
    endpoints,
  );
  const known = Object.keys(workerVariables);
  for (const variable of [
    ...Object.keys(environment),
    ...Object.keys(secrets),
  ]) {
    expect(known).toContain(variable);
  }
  const both = Object.keys(environment).filter((each) => each in secrets);
  expect(both).toEqual([]);
});

test.each(withWorker)("%s: nothing secret is readable in the task", (name) => {
  const { environment, secrets } = workerVariablesOf(
    environmentOf(name),
    undefined,
    endpoints,
  );
  for (const [variable, { secret }] of Object.entries(workerVariables)) {
    if (secret) expect(environment).not.toHaveProperty(variable);
  }
  expect(secrets.DB_PASSWORD).toEqual({ arn: "arn:source", key: "password" });
});

test("a secret among the settings is refused, should the file's rules let it through", () => {
  const environment = environmentOf("direct");
  const { worker } = environment;
  if (!worker) throw new Error("no worker");
  const careless = {
    ...environment,
    worker: { ...worker, settings: { SSH_PASSPHRASE: "hush" } },
  };
  expect(() => workerVariablesOf(careless, undefined, endpoints)).toThrow(
    "SSH_PASSPHRASE is secret",
  );
});

test.each<EnvironmentName>(["direct", "vpn-nat", "ssh"])(
  "%s: the database is called by its own name",
  (name) => {
    const environment = environmentOf(name);
    expect(settingsOf(environment).source.host).toBe(environment.source.host);
  },
);

test("behind a node that passes connections on, the node is called, and the database verified", () => {
  const environment = environmentOf("vpn-proxy");
  const { source } = settingsOf(environment);
  expect(source.host).toBe("100.64.77.2");
  expect(source.tls.serverName).toBe(environment.source.host);
});

test("a jump host is known by its key, and the worker by its own", async () => {
  const { ssh } = settingsOf(environmentOf("ssh"));
  expect(ssh).toMatchObject({
    host: "jump.shop.example",
    port: 22,
    user: "bemi",
    hostKey: {
      fingerprint: "SHA256:6jbPhyLjcLzD5Q1FtX7Fnby7zxg2u4p5JelkJ9L5Ago",
    },
  });
  const credentials = await ssh?.credentials();
  expect(credentials?.privateKey).toBe(secretValues["arn:ssh privateKey"]);
});

test.each<EnvironmentName>(["direct", "vpn-nat", "vpn-proxy"])(
  "%s: no jump host",
  (name) => {
    expect(settingsOf(environmentOf(name))).not.toHaveProperty("ssh");
  },
);

test("each shard has a slot, a publication and tables of its own", () => {
  const environment = environmentOf("shards");
  const [orders, rest] = [
    settingsOf(environment, 0),
    settingsOf(environment, 1),
  ];
  expect([orders.slotName, orders.publicationName]).toEqual([
    "bemi_orders",
    "bemi_orders",
  ]);
  expect([rest.slotName, rest.publicationName]).toEqual([
    "bemi_rest",
    "bemi_rest",
  ]);
  expect(orders.trackTables.includes).toHaveLength(2);
  expect(rest.trackTables.excludes).toHaveLength(2);
});

test("without shards there is one slot, whose name a setting can change", () => {
  expect(settingsOf(environmentOf("direct"))).toMatchObject({
    slotName: "bemi",
    publicationName: "bemi",
  });
  const named = changedEnvironment("direct", (file) => {
    if (file.worker) file.worker.settings = { SLOT_NAME: "bemi_shop" };
  });
  expect(settingsOf(named).slotName).toBe("bemi_shop");
});

test("further settings are the worker's", () => {
  expect(settingsOf(environmentOf("vpn-options")).retentionDays).toBe(365);
});

test("a certificate of the worker's is a setting, its key is secret", () => {
  const environment = changedEnvironment("existing-destination", (file) => {
    if (!file.worker) return;
    file.worker.settings = {
      DB_SSLCERT: client.certificate,
      DEST_DB_SSLCERT: client.certificate,
    };
  });
  const { secrets } = workerVariablesOf(environment, undefined, endpoints);
  expect(secrets.DB_SSLKEY).toEqual({ arn: "arn:source", key: "clientKey" });
  const { source, destination } = settingsOf(environment);
  for (const { tls } of [source, destination])
    expect(tls.client?.()).toEqual(client);
});

test("the worker listens where the container's check asks", () => {
  const { http } = settingsOf(environmentOf("direct"));
  expect(http).toEqual({ host: "127.0.0.1", port: 8080 });
});
