/** An alarm as soon as a log has a line of a certain kind. */
import { CloudwatchLogMetricFilter } from "@cdktf/provider-aws/lib/cloudwatch-log-metric-filter";
import { CloudwatchMetricAlarm } from "@cdktf/provider-aws/lib/cloudwatch-metric-alarm";
import { Construct } from "constructs";

export interface LogAlarmProps {
  /** Of the filter and of the alarm. */
  readonly name: string;
  readonly description: string;
  readonly logGroupName: string;
  /** In CloudWatch Logs' pattern language. */
  readonly pattern: string;
  /** Of the metric that counts the lines. */
  readonly namespace: string;
  readonly metricName: string;
  /** The alarm ends after this long without another line. */
  readonly periodMinutes: number;
  readonly topicArn: string;
}

export class LogAlarm extends Construct {
  readonly filter: CloudwatchLogMetricFilter;
  readonly alarm: CloudwatchMetricAlarm;

  constructor(scope: Construct, id: string, props: LogAlarmProps) {
    super(scope, id);
    const { name, namespace, metricName } = props;
    this.filter = new CloudwatchLogMetricFilter(this, "filter", {
      name,
      logGroupName: props.logGroupName,
      pattern: props.pattern,
      metricTransformation: {
        namespace,
        name: metricName,
        value: "1",
        defaultValue: "0",
      },
    });
    this.alarm = new CloudwatchMetricAlarm(this, "alarm", {
      alarmName: name,
      alarmDescription: props.description,
      namespace,
      metricName,
      statistic: "Sum",
      period: props.periodMinutes * 60,
      comparisonOperator: "GreaterThanThreshold",
      threshold: 0,
      evaluationPeriods: 1,
      treatMissingData: "notBreaching",
      alarmActions: [props.topicArn],
      okActions: [props.topicArn],
    });
  }
}
