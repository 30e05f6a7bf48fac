"""A database backend that logs in by IAM tokens: ENGINE = "shop.iam"."""
