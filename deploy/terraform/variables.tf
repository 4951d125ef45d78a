variable "name" {
  description = "Name of everything that is made, such as the job's."
  type        = string
  default     = "etl-runner"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,38}$", var.name))
    error_message = "Lower case letters, digits and dashes, 39 at most, a letter first."
  }
}

variable "policy_file" {
  description = "What `etl-runner iam-policy JOB --output json` has printed."
  type        = string
}

variable "image_tag" {
  description = "Tag of the image in the repository that is made here. The image holds the job file."
  type        = string
}

variable "command" {
  description = "Arguments of etl-runner."
  type        = list(string)
  default     = ["run", "/job/job.yaml"]
}

variable "environment" {
  description = "What the job file reads from the environment. Nothing secret."
  type        = map(string)
  default     = {}
}

variable "runner" {
  description = "What runs the job: `ecs` for a task, `batch` for a job in a queue, `step-functions` for a state machine that waits for a task."
  type        = string
  default     = "ecs"

  validation {
    condition     = contains(["ecs", "batch", "step-functions"], var.runner)
    error_message = "One of ecs, batch and step-functions."
  }
}

variable "schedule" {
  description = "When it runs: `rate(1 hour)`, or `cron(5 * * * ? *)` for five past each hour. As often as the job's schedule.every, or more."
  type        = string
  default     = "rate(1 hour)"

  validation {
    condition     = can(regex("^(rate|cron)\\(.+\\)$", var.schedule))
    error_message = "rate(...) or cron(...)."
  }
}

variable "interval_seconds" {
  description = "Time between two runs, for the alarms: a multiple of 60, a day at most."
  type        = number
  default     = 3600

  validation {
    condition     = var.interval_seconds >= 60 && var.interval_seconds <= 86400 && var.interval_seconds % 60 == 0
    error_message = "A multiple of 60 from 60 to 86400."
  }
}

variable "vpc_id" {
  description = "The network that the task is in."
  type        = string
}

variable "subnet_ids" {
  description = "Subnets of it, with a way to S3, ECR and CloudWatch Logs: endpoints, a NAT gateway, or a public address."
  type        = list(string)
}

variable "assign_public_ip" {
  description = "Whether the task gets a public address, for subnets without endpoints and NAT."
  type        = bool
  default     = false
}

variable "architecture" {
  description = "What the image is built for: X86_64 or ARM64."
  type        = string
  default     = "X86_64"
}

variable "cpu" {
  description = "1024 is a core. One worker thread each; see limits.threads."
  type        = number
  default     = 2048
}

variable "memory" {
  description = "MiB. The program keeps to it by itself; see limits.memory_total."
  type        = number
  default     = 4096
}

variable "disk" {
  description = "GiB of the task's own disk, from 21 to 200, for rows that are spilled."
  type        = number
  default     = 30
}

variable "timeout_seconds" {
  description = "When a run is given up, under `batch` and `step-functions`."
  type        = number
  default     = 21600
}

variable "table_bucket" {
  description = "Bucket of the tables, which is made here. Empty: it is there already, and needs the lifecycle rule of buckets.tf."
  type        = string
  default     = ""
}

variable "log_days" {
  description = "How long logs are kept."
  type        = number
  default     = 30
}

variable "alarm_topics" {
  description = "ARNs of SNS topics that hear of alarms and their ends."
  type        = list(string)
  default     = []
}

variable "metric_namespace" {
  description = "Namespace of the run's metrics."
  type        = string
  default     = "Clickstream/DataPipeline"
}

variable "metric_dimensions" {
  description = "Dimensions of the run's metrics, as the job has them."
  type        = map(string)
  default     = {}
}

variable "load_project" {
  description = "ProjectId of the metrics of a warehouse load, if something loads the tables. Empty: no alarm for it."
  type        = string
  default     = ""
}
