/*
 * RDS Proxy sends no BackendKeyData, so PQbackendPID returns 0, and isolationtester
 * could not find out which session waits. This asks the server in its place. The
 * session is pinned before, by isolationtester's own set_config.
 */
#ifndef OUTSIDE_ISOLATION_H
#define OUTSIDE_ISOLATION_H

#include <stdlib.h>

#include "libpq-fe.h"

static inline int
outside_backend_pid(PGconn *connection)
{
	PGresult   *result = PQexec(connection, "SELECT pg_catalog.pg_backend_pid()");
	int			pid = 0;

	if (PQresultStatus(result) == PGRES_TUPLES_OK)
		pid = atoi(PQgetvalue(result, 0, 0));
	PQclear(result);
	return pid;
}

#define PQbackendPID(connection) outside_backend_pid(connection)

#endif
