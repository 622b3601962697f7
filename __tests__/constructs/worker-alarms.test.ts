import { Testing } from "cdktf";
import { METRIC_NAMESPACES } from "../../config/names";
import { WorkerAlarms } from "../../constructs/worker-alarms";
import { WorkerDashboard } from "../../constructs/worker-dashboard";
import { WorkerEvents } from "../../constructs/worker-events";
import { emfLine } from "../../worker/emf";
import { EXIT_CODE } from "../../worker/errors";
import { FIGURES } from "../../worker/metrics";
import { Status } from "../../worker/status";
import {
  type Block,
  onlyResource,
  resourcesOf,
  type Template,
} from "../support/templates";

const topicArn = "arn:aws:sns:us-west-1:111111111111:bemi-prod-alerts";
const workers = [
  { id: "shard-a", slotName: "bemi_a", serviceName: "bemi-prod-worker-a" },
  { id: "shard-b", slotName: "bemi_b", serviceName: "bemi-prod-worker-b" },
];
const watched = {
  namespace: METRIC_NAMESPACES.worker,
  environment: "prod",
  clusterName: "bemi-prod",
  logGroupName: "/bemi/prod/worker",
  workers,
  lagSeconds: 300,
  slotRetainedBytes: 1_000,
};

const template = JSON.parse(
  Testing.synthScope((scope) => {
    new WorkerAlarms(scope, "alarms", {
      ...watched,
      name: "bemi-prod",
      topicArn,
    });
    new WorkerEvents(scope, "events", {
      name: "bemi-prod",
      topicArn,
      clusterArn: "arn:cluster",
      serviceArns: ["arn:service"],
    });
    new WorkerDashboard(scope, "dashboard", {
      ...watched,
      name: "bemi-prod",
      region: "us-west-1",
      alarmArns: ["arn:alarm"],
    });
  }),
) as Template;

const alarms = Object.values(
  resourcesOf(template, "aws_cloudwatch_metric_alarm"),
);
const filters = Object.values(
  resourcesOf(template, "aws_cloudwatch_log_metric_filter"),
);
const named = (name: string): Block => {
  const found = alarms.find(({ alarm_name }) => alarm_name === name);
  if (!found) throw new Error(`no alarm ${name}`);
  return found;
};

interface Metric {
  readonly namespace: string;
  readonly metric_name: string;
  readonly dimensions?: Readonly<Record<string, string>>;
}

/** What an alarm looks at, directly or in an expression. */
function metricsOf(alarm: Block): Metric[] {
  const queries = (alarm.metric_query ?? []) as { metric?: Metric }[];
  return alarm.metric_name
    ? [alarm as unknown as Metric]
    : queries.flatMap(({ metric }) => (metric ? [metric] : []));
}

const ofWorker = alarms
  .flatMap(metricsOf)
  .filter(({ namespace }) => namespace === METRIC_NAMESPACES.worker);

test("every metric that an alarm looks at is one that the worker emits, by its own name", () => {
  expect(ofWorker.length).toBeGreaterThanOrEqual(12);
  const emitted = FIGURES.map(({ emfName }) => emfName);
  for (const { metric_name } of ofWorker)
    expect(emitted).toContain(metric_name);
});

test("an alarm's dimensions are those of the worker's line, whose namespace it is", () => {
  const line = emfLine(
    new Status(),
    { slotName: "bemi_a", environment: "prod" },
    0,
  );
  const [declared] = JSON.parse(line)._aws.CloudWatchMetrics;
  expect(declared.Namespace).toBe(watched.namespace);
  for (const { dimensions = {} } of ofWorker) {
    expect(Object.keys(dimensions).sort()).toEqual(
      [...declared.Dimensions[0]].sort(),
    );
    expect(dimensions.Environment).toBe("prod");
    expect(["bemi_a", "bemi_b"]).toContain(dimensions.Slot);
  }
});

test("every chart of the worker's figures is of one that it emits", () => {
  const { dashboard_body } = onlyResource(template, "aws_cloudwatch_dashboard");
  const { widgets } = JSON.parse(String(dashboard_body)) as {
    widgets: { properties: { metrics?: unknown[][] } }[];
  };
  const charted = widgets
    .flatMap(({ properties }) => properties.metrics ?? [])
    .filter(([namespace]) => namespace === watched.namespace)
    .map(([, name]) => name);
  const emitted = FIGURES.map(({ emfName }) => emfName);
  expect(new Set(charted).size).toBeGreaterThanOrEqual(5);
  expect(emitted).toEqual(expect.arrayContaining(charted));
});

test("a worker that is silent is an alarm, and so is a figure that is not measured", () => {
  for (const kind of ["not-streaming", "lag", "slot-retained", "not-running"]) {
    expect(named(`bemi-prod-worker-a-${kind}`)).toMatchObject({
      treat_missing_data: "breaching",
      // A line of the log can be lost; five are not.
      evaluation_periods: 5,
      datapoints_to_alarm: 5,
      period: 60,
    });
  }
});

test.each([
  ["not-streaming", "LessThanThreshold", 1],
  ["lag", "GreaterThanThreshold", 300],
  ["not-running", "LessThanThreshold", 1],
  ["slot-retained", "GreaterThanThreshold", 1_000],
  ["slot-exhaustion", "LessThanThreshold", 86_400],
])("%s has its threshold", (kind, comparison_operator, threshold) => {
  expect(named(`bemi-prod-worker-b-${kind}`)).toMatchObject({
    comparison_operator,
    threshold,
  });
});

test("a counter is an alarm by what it has grown, not for ever after", () => {
  for (const kind of ["rows-reduced", "contexts-invalid"]) {
    const { metric_query } = named(`bemi-prod-worker-a-${kind}`);
    expect(metric_query).toEqual(
      expect.arrayContaining([
        expect.objectContaining({
          expression: "DIFF(counter)",
          return_data: true,
        }),
      ]),
    );
  }
});

test("a standstill of any slot is told once, by the alarm on top", () => {
  const { alarm_rule, alarm_actions, ok_actions } = onlyResource(
    template,
    "aws_cloudwatch_composite_alarm",
  );
  expect([alarm_actions, ok_actions]).toEqual([[topicArn], [topicArn]]);
  const silent = alarms.filter((alarm) => !alarm.alarm_actions);
  expect(silent).toHaveLength(6);
  expect(String(alarm_rule).split(" OR ")).toHaveLength(6);
  for (const kind of ["not-streaming", "lag", "not-running"])
    for (const shard of ["a", "b"])
      expect(alarm_rule).toMatch(new RegExp(`shard-${shard}_${kind}_`));
});

test("every other alarm tells, also when it is over", () => {
  const telling = alarms.filter((alarm) => alarm.alarm_actions);
  expect(telling).toHaveLength(2 * 4 + 2);
  for (const { alarm_actions, ok_actions } of telling)
    expect([alarm_actions, ok_actions]).toEqual([[topicArn], [topicArn]]);
});

test("a worker that waits for an operator is an alarm by its exit code", () => {
  const [filter] = filters.filter(
    ({ name }) => name === "bemi-prod-worker-operator-needed",
  );
  expect(filter?.pattern).toBe(
    `{ $.exitCode = ${EXIT_CODE.configuration} || $.exitCode = ${EXIT_CODE.operator} }`,
  );
});

test("metrics out of the log are of this environment, and have an alarm each", () => {
  expect(filters).toHaveLength(2);
  for (const filter of filters) {
    const transformation = filter.metric_transformation as Block;
    expect(transformation).toMatchObject({
      namespace: "Bemi/Worker/prod",
      default_value: "0",
    });
    // CloudWatch Logs takes one or the other.
    expect(transformation).not.toHaveProperty("dimensions");
    expect(named(String(filter.name))).toMatchObject({
      namespace: transformation.namespace,
      metric_name: transformation.name,
      treat_missing_data: "notBreaching",
    });
  }
});

test("a deployment that ECS gave up is told", () => {
  const patterns = Object.values(
    resourcesOf(template, "aws_cloudwatch_event_rule"),
  ).map(({ event_pattern }) => JSON.parse(String(event_pattern)));
  expect(patterns).toContainEqual({
    source: ["aws.ecs"],
    "detail-type": ["ECS Deployment State Change"],
    resources: ["arn:service"],
    detail: { eventName: ["SERVICE_DEPLOYMENT_FAILED"] },
  });
});

test("a task that never began or was killed is told, one that ended by itself is not", () => {
  const [pattern] = Object.values(
    resourcesOf(template, "aws_cloudwatch_event_rule"),
  )
    .map(({ event_pattern }) => JSON.parse(String(event_pattern)))
    .filter((one) => one["detail-type"][0] === "ECS Task State Change");
  expect(pattern.detail).toMatchObject({
    clusterArn: ["arn:cluster"],
    lastStatus: ["STOPPED"],
  });
  const [started, killed] = pattern.detail.$or;
  expect(started).toEqual({ stopCode: ["TaskFailedToStart"] });
  for (const code of Object.values(EXIT_CODE))
    expect(killed.containers.exitCode).not.toContain(code);
  expect(killed.containers.exitCode).toContain(137);
});

test("events go to the topic", () => {
  const targets = Object.values(
    resourcesOf(template, "aws_cloudwatch_event_target"),
  );
  expect(targets).toHaveLength(2);
  for (const { arn } of targets) expect(arn).toBe(topicArn);
});
