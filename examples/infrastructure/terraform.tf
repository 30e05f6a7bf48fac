# The proxy of an Aurora PostgreSQL cluster, as in a service's repository. These commands
#
#     terraform plan -out plan && terraform show -json plan > terraform-plan.json
#
# wrote terraform-plan.json, which `pinwatch up --from` reads.

terraform {
  required_version = ">= 1.5"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 5.0"
    }
  }
}

provider "aws" {
  region = var.region

  default_tags {
    tags = { Service = "orders" }
  }
}

variable "region" {
  type    = string
  default = "eu-central-1"
}

variable "environment" {
  type    = string
  default = "staging"
}

variable "vpc_id" {
  type    = string
  default = "vpc-0f1e2d3c4b5a69788"
}

variable "private_subnet_ids" {
  type    = list(string)
  default = ["subnet-0a1b2c3d4e5f60718", "subnet-0b1c2d3e4f5a60718"]
}

variable "cluster_identifier" {
  type    = string
  default = "orders-staging"
}

locals {
  name = "orders-${var.environment}"
}

resource "aws_secretsmanager_secret" "application" {
  name = "${local.name}/database/application"
}

resource "aws_iam_role" "proxy" {
  name = "${local.name}-proxy"

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "rds.amazonaws.com" }
    }]
  })
}

resource "aws_iam_role_policy" "proxy_reads_secret" {
  name = "read-secret"
  role = aws_iam_role.proxy.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect   = "Allow"
      Action   = "secretsmanager:GetSecretValue"
      Resource = aws_secretsmanager_secret.application.arn
    }]
  })
}

resource "aws_security_group" "proxy" {
  name        = "${local.name}-proxy"
  description = "Who reaches the database proxy"
  vpc_id      = var.vpc_id
}

resource "aws_db_proxy" "this" {
  name                   = local.name
  engine_family          = "POSTGRESQL"
  role_arn               = aws_iam_role.proxy.arn
  vpc_subnet_ids         = var.private_subnet_ids
  vpc_security_group_ids = [aws_security_group.proxy.id]
  require_tls            = true
  idle_client_timeout    = 900
  debug_logging          = var.environment != "production"

  auth {
    auth_scheme               = "SECRETS"
    description               = "the application's role"
    iam_auth                  = "DISABLED"
    client_password_auth_type = "POSTGRES_SCRAM_SHA_256"
    secret_arn                = aws_secretsmanager_secret.application.arn
  }
}

resource "aws_db_proxy_default_target_group" "this" {
  db_proxy_name = aws_db_proxy.this.name

  connection_pool_config {
    max_connections_percent      = 80
    max_idle_connections_percent = 20
    connection_borrow_timeout    = 15
    init_query                   = "SET statement_timeout TO 30000; SET timezone TO utc"
  }
}

resource "aws_db_proxy_target" "this" {
  db_proxy_name         = aws_db_proxy.this.name
  target_group_name     = aws_db_proxy_default_target_group.this.name
  db_cluster_identifier = var.cluster_identifier
}

resource "aws_db_proxy_endpoint" "reports" {
  db_proxy_name          = aws_db_proxy.this.name
  db_proxy_endpoint_name = "${local.name}-reports"
  vpc_subnet_ids         = var.private_subnet_ids
  target_role            = "READ_ONLY"
}
