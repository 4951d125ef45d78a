# The alternative with a queue: runs wait for each other's resources, and an attempt that is lost is made again.
locals {
  batch = var.runner == "batch" ? 1 : 0
}

resource "aws_batch_compute_environment" "this" {
  count = local.batch
  name  = var.name
  type  = "MANAGED"

  compute_resources {
    type               = "FARGATE"
    max_vcpus          = max(1, ceil(var.cpu / 1024)) * 4
    subnets            = var.subnet_ids
    security_group_ids = [aws_security_group.this.id]
  }
}

resource "aws_batch_job_queue" "this" {
  count    = local.batch
  name     = var.name
  state    = "ENABLED"
  priority = 1

  compute_environment_order {
    order               = 1
    compute_environment = aws_batch_compute_environment.this[0].arn
  }
}

resource "aws_batch_job_definition" "this" {
  count                 = local.batch
  name                  = var.name
  type                  = "container"
  platform_capabilities = ["FARGATE"]

  container_properties = jsonencode({
    image            = "${aws_ecr_repository.this.repository_url}:${var.image_tag}"
    command          = var.command
    jobRoleArn       = aws_iam_role.task.arn
    executionRoleArn = aws_iam_role.execution.arn
    environment      = [for name, value in var.environment : { name = name, value = value }]
    resourceRequirements = [
      { type = "VCPU", value = tostring(var.cpu / 1024) },
      { type = "MEMORY", value = tostring(var.memory) },
    ]
    ephemeralStorage     = { sizeInGiB = var.disk }
    runtimePlatform      = { operatingSystemFamily = "LINUX", cpuArchitecture = var.architecture }
    networkConfiguration = { assignPublicIp = var.assign_public_ip ? "ENABLED" : "DISABLED" }
    logConfiguration = {
      logDriver = "awslogs"
      options = {
        "awslogs-group"         = aws_cloudwatch_log_group.this.name
        "awslogs-region"        = local.region
        "awslogs-stream-prefix" = "run"
      }
    }
  })

  # A host that is lost is tried again. How a run ended is final: 1 to 6 are exit codes of the program.
  retry_strategy {
    attempts = 2

    evaluate_on_exit {
      action           = "RETRY"
      on_status_reason = "Host EC2*"
    }

    evaluate_on_exit {
      action       = "EXIT"
      on_exit_code = "*"
    }
  }

  timeout {
    attempt_duration_seconds = var.timeout_seconds
  }
}
