resource "aws_cloudwatch_log_group" "this" {
  name              = "/etl-runner/${var.name}"
  retention_in_days = var.log_days
}

# Out to AWS, in from nowhere.
resource "aws_security_group" "this" {
  name        = var.name
  description = "etl-runner ${var.name}: HTTPS out"
  vpc_id      = var.vpc_id
}

resource "aws_vpc_security_group_egress_rule" "https" {
  security_group_id = aws_security_group.this.id
  description       = "AWS"
  cidr_ipv4         = "0.0.0.0/0"
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
}

resource "aws_ecs_cluster" "this" {
  name = var.name

  setting {
    name  = "containerInsights"
    value = "enabled"
  }
}

resource "aws_ecs_task_definition" "this" {
  family                   = var.name
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = var.cpu
  memory                   = var.memory
  task_role_arn            = aws_iam_role.task.arn
  execution_role_arn       = aws_iam_role.execution.arn

  runtime_platform {
    operating_system_family = "LINUX"
    cpu_architecture        = var.architecture
  }

  ephemeral_storage {
    size_in_gib = var.disk
  }

  container_definitions = jsonencode([{
    name        = "etl-runner"
    image       = "${aws_ecr_repository.this.repository_url}:${var.image_tag}"
    command     = var.command
    essential   = true
    environment = [for name, value in var.environment : { name = name, value = value }]
    # Ten seconds are enough for a clean end.
    stopTimeout = 30
    logConfiguration = {
      logDriver = "awslogs"
      options = {
        "awslogs-group"         = aws_cloudwatch_log_group.this.name
        "awslogs-region"        = local.region
        "awslogs-stream-prefix" = "run"
      }
    }
  }])
}
