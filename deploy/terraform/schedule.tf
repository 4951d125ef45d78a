locals {
  # Starting the task, for whoever does.
  run_task = [
    {
      Sid       = "RunTask"
      Effect    = "Allow"
      Action    = ["ecs:RunTask"]
      Resource  = ["${aws_ecs_task_definition.this.arn_without_revision}:*"]
      Condition = { ArnEquals = { "ecs:cluster" = aws_ecs_cluster.this.arn } }
    },
    {
      Sid       = "PassRoles"
      Effect    = "Allow"
      Action    = ["iam:PassRole"]
      Resource  = [aws_iam_role.task.arn, aws_iam_role.execution.arn]
      Condition = { StringEquals = { "iam:PassedToService" = "ecs-tasks.amazonaws.com" } }
    },
  ]

  # What the schedule does, for each runner.
  start = {
    ecs = local.run_task
    batch = [{
      Sid    = "SubmitJob"
      Effect = "Allow"
      Action = ["batch:SubmitJob"]
      Resource = concat(
        aws_batch_job_queue.this[*].arn,
        [for arn in aws_batch_job_definition.this[*].arn_prefix : "${arn}*"],
      )
    }]
    "step-functions" = [{
      Sid      = "StartExecution"
      Effect   = "Allow"
      Action   = ["states:StartExecution"]
      Resource = aws_sfn_state_machine.this[*].arn
    }]
  }
}

resource "aws_scheduler_schedule" "this" {
  name                = var.name
  description         = "Runs the windows that are due."
  schedule_expression = var.schedule

  flexible_time_window {
    mode = "OFF"
  }

  target {
    arn = one(concat(
      var.runner == "ecs" ? [aws_ecs_cluster.this.arn] : [],
      var.runner == "batch" ? ["${local.arn}:scheduler:::aws-sdk:batch:submitJob"] : [],
      aws_sfn_state_machine.this[*].arn,
    ))
    role_arn = aws_iam_role.schedule.arn

    # A run takes all windows that are due, so the next one makes up for one that could not be started.
    retry_policy {
      maximum_event_age_in_seconds = 900
      maximum_retry_attempts       = 5
    }

    dead_letter_config {
      arn = aws_sqs_queue.schedule.arn
    }

    input = var.runner == "batch" ? jsonencode({
      JobName       = var.name
      JobQueue      = aws_batch_job_queue.this[0].arn
      JobDefinition = aws_batch_job_definition.this[0].arn
    }) : null

    dynamic "ecs_parameters" {
      for_each = var.runner == "ecs" ? [1] : []

      content {
        task_definition_arn = aws_ecs_task_definition.this.arn
        launch_type         = "FARGATE"
        task_count          = 1

        network_configuration {
          subnets          = var.subnet_ids
          security_groups  = [aws_security_group.this.id]
          assign_public_ip = var.assign_public_ip
        }
      }
    }
  }
}

resource "aws_iam_role" "schedule" {
  name = "${var.name}-schedule"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "scheduler.amazonaws.com" }
      Condition = { StringEquals = { "aws:SourceAccount" = local.account } }
    }]
  })
}

resource "aws_iam_role_policy" "schedule" {
  name = "start"
  role = aws_iam_role.schedule.name
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(local.start[var.runner], [{
      Sid      = "KeepWhatFailed"
      Effect   = "Allow"
      Action   = ["sqs:SendMessage"]
      Resource = [aws_sqs_queue.schedule.arn]
    }])
  })
}

# Starts that failed for good.
resource "aws_sqs_queue" "schedule" {
  name                      = "${var.name}-schedule"
  message_retention_seconds = 1209600
  sqs_managed_sse_enabled   = true
}

resource "aws_sqs_queue_policy" "schedule" {
  queue_url = aws_sqs_queue.schedule.url
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "OnlyTLS"
      Effect    = "Deny"
      Principal = "*"
      Action    = "sqs:*"
      Resource  = aws_sqs_queue.schedule.arn
      Condition = { Bool = { "aws:SecureTransport" = "false" } }
    }]
  })
}
