from typing import Any

import boto3
from django.db.backends.postgresql import base


class DatabaseWrapper(base.DatabaseWrapper):
    def get_connection_params(self) -> dict[str, Any]:
        """Return the parameters of a new connection, with a new token."""
        params: dict[str, Any] = super().get_connection_params()
        token = boto3.client("rds").generate_db_auth_token(
            params["host"], params["port"], params["user"]
        )
        return params | {"password": token, "sslmode": "require"}
