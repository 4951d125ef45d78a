locals {
  bucket = var.table_bucket == "" ? 0 : 1
}

resource "aws_s3_bucket" "tables" {
  count  = local.bucket
  bucket = var.table_bucket
}

resource "aws_s3_bucket_public_access_block" "tables" {
  count                   = local.bucket
  bucket                  = aws_s3_bucket.tables[0].id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

# Uploads that nobody completes. A week, and not a day: what is committed and not published yet is such an upload.
resource "aws_s3_bucket_lifecycle_configuration" "tables" {
  count  = local.bucket
  bucket = aws_s3_bucket.tables[0].id

  rule {
    id     = "abort-uploads"
    status = "Enabled"

    filter {
      prefix = ""
    }

    abort_incomplete_multipart_upload {
      days_after_initiation = 7
    }
  }
}
