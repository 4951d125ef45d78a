locals {
  dimensions = length(var.metric_dimensions) > 0 ? var.metric_dimensions : { ApplicationId = var.name, service = "EMR-Serverless" }
}

resource "aws_cloudwatch_metric_alarm" "failed" {
  alarm_name          = "${var.name} job failed"
  alarm_description   = "A run failed or was refused. See docs/operations.md#alarms."
  namespace           = var.metric_namespace
  metric_name         = "Data Processing job failed"
  dimensions          = local.dimensions
  statistic           = "Maximum"
  period              = var.interval_seconds
  evaluation_periods  = 1
  comparison_operator = "GreaterThanOrEqualToThreshold"
  threshold           = 1
  treat_missing_data  = "ignore"
  alarm_actions       = var.alarm_topics
  ok_actions          = var.alarm_topics
}

resource "aws_cloudwatch_metric_alarm" "silent" {
  alarm_name          = "${var.name} no run"
  alarm_description   = "No run was done for three intervals. See docs/operations.md#alarms."
  namespace           = var.metric_namespace
  metric_name         = "Data Processing job success"
  dimensions          = local.dimensions
  statistic           = "Sum"
  period              = var.interval_seconds
  evaluation_periods  = 3
  comparison_operator = "LessThanThreshold"
  threshold           = 1
  treat_missing_data  = "breaching"
  alarm_actions       = var.alarm_topics
  ok_actions          = var.alarm_topics
}

resource "aws_cloudwatch_metric_alarm" "no_data" {
  alarm_name          = "${var.name} no data"
  alarm_description   = "Runs wrote no event for a day. See docs/operations.md#alarms."
  namespace           = var.metric_namespace
  metric_name         = "Data Processing sink count"
  dimensions          = local.dimensions
  statistic           = "Sum"
  period              = 86400
  evaluation_periods  = 1
  comparison_operator = "LessThanOrEqualToThreshold"
  threshold           = 0
  treat_missing_data  = "notBreaching"
  alarm_actions       = var.alarm_topics
  ok_actions          = var.alarm_topics
}

resource "aws_cloudwatch_metric_alarm" "not_started" {
  alarm_name          = "${var.name} not started"
  alarm_description   = "The schedule could not start a run. See docs/operations.md#alarms."
  namespace           = "AWS/SQS"
  metric_name         = "ApproximateNumberOfMessagesVisible"
  dimensions          = { QueueName = aws_sqs_queue.schedule.name }
  statistic           = "Maximum"
  period              = 300
  evaluation_periods  = 1
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  treat_missing_data  = "notBreaching"
  alarm_actions       = var.alarm_topics
  ok_actions          = var.alarm_topics
}

resource "aws_cloudwatch_metric_alarm" "execution" {
  count               = local.step_functions
  alarm_name          = "${var.name} execution failed"
  alarm_description   = "The state machine ended with a failure. See docs/operations.md#alarms."
  namespace           = "AWS/States"
  metric_name         = "ExecutionsFailed"
  dimensions          = { StateMachineArn = aws_sfn_state_machine.this[0].arn }
  statistic           = "Sum"
  period              = 300
  evaluation_periods  = 1
  comparison_operator = "GreaterThanOrEqualToThreshold"
  threshold           = 1
  treat_missing_data  = "notBreaching"
  alarm_actions       = var.alarm_topics
  ok_actions          = var.alarm_topics
}

resource "aws_cloudwatch_metric_alarm" "file_age" {
  count               = var.load_project == "" ? 0 : 1
  alarm_name          = "${var.name} files wait"
  alarm_description   = "Files wait for the warehouse longer than an interval. See docs/operations.md#alarms."
  namespace           = "Clickstream/DataModeling/Redshift"
  metric_name         = "File max age"
  dimensions          = { ProjectId = var.load_project, service = "workflow" }
  statistic           = "Average"
  period              = var.interval_seconds
  evaluation_periods  = 1
  comparison_operator = "GreaterThanOrEqualToThreshold"
  threshold           = var.interval_seconds
  treat_missing_data  = "notBreaching"
  alarm_actions       = var.alarm_topics
  ok_actions          = var.alarm_topics
}
