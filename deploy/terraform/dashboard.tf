locals {
  # A list of dimensions as widgets take them: name, value, name, value.
  flat = flatten([for name, value in local.dimensions : [name, value]])

  # Title, and the metrics of one graph.
  graphs = [
    ["Runs", ["Data Processing job success", "Data Processing job failed"]],
    ["Records", ["Data Processing source count", "Data Processing flatted source count", "Data Processing sink count"]],
    ["Left out", ["Data Processing corrupted count", "Data count filtered by appIds", "Data count filtered by freshness and future time", "Data count filtered by bot"]],
    ["Input objects", ["Data Processing input file count"]],
    ["Seconds a run takes", ["Data Processing job run time seconds"]],
  ]
}

resource "aws_cloudwatch_dashboard" "this" {
  dashboard_name = var.name
  dashboard_body = jsonencode({
    widgets = concat(
      [for index, graph in local.graphs : {
        type   = "metric"
        x      = index % 2 * 12
        y      = floor(index / 2) * 6
        width  = 12
        height = 6
        properties = {
          title   = graph[0]
          region  = local.region
          view    = "timeSeries"
          stat    = "Sum"
          period  = var.interval_seconds
          metrics = [for metric in graph[1] : concat([var.metric_namespace, metric], local.flat)]
        }
      }],
      [{
        type   = "metric"
        x      = 12
        y      = 12
        width  = 12
        height = 6
        properties = {
          title  = "CPU and memory"
          region = local.region
          view   = "timeSeries"
          stat   = "Maximum"
          period = 60
          metrics = [
            ["ECS/ContainerInsights", "CpuUtilized", "ClusterName", var.name],
            ["ECS/ContainerInsights", "MemoryUtilized", "ClusterName", var.name],
          ]
        }
      }],
    )
  })
}
