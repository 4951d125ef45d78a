# The alternative with a state machine: it starts the task and waits until that reports by its task token.
locals {
  step_functions = var.runner == "step-functions" ? 1 : 0
}

resource "aws_sfn_state_machine" "this" {
  count    = local.step_functions
  name     = var.name
  role_arn = aws_iam_role.state_machine[0].arn

  definition = templatefile("${path.module}/../state-machine.asl.json", {
    ClusterArn        = aws_ecs_cluster.this.arn
    TaskDefinitionArn = aws_ecs_task_definition.this.arn
    Subnets           = join("\", \"", var.subnet_ids)
    SecurityGroup     = aws_security_group.this.id
    AssignPublicIp    = var.assign_public_ip ? "ENABLED" : "DISABLED"
  })
}

resource "aws_iam_role" "state_machine" {
  count = local.step_functions
  name  = "${var.name}-state-machine"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "states.amazonaws.com" }
      Condition = { StringEquals = { "aws:SourceAccount" = local.account } }
    }]
  })
}

resource "aws_iam_role_policy" "state_machine" {
  count  = local.step_functions
  name   = "run"
  role   = aws_iam_role.state_machine[0].name
  policy = jsonencode({ Version = "2012-10-17", Statement = local.run_task })
}
