output "repository_url" {
  description = "Where the image is pushed to."
  value       = aws_ecr_repository.this.repository_url
}

output "cluster" {
  description = "The cluster, for `aws ecs run-task`."
  value       = aws_ecs_cluster.this.name
}

output "task_definition" {
  description = "The task definition, with its revision."
  value       = aws_ecs_task_definition.this.arn
}

output "security_group" {
  description = "The group of the task, for what it must reach."
  value       = aws_security_group.this.id
}

output "log_group" {
  description = "Where reports and warnings are."
  value       = aws_cloudwatch_log_group.this.name
}

output "dead_letter_queue" {
  description = "Starts that failed for good."
  value       = aws_sqs_queue.schedule.url
}
