-- pgbench script for one session: every third session pins, every third only warns.
\set turn :turn + 1
\set account random(1, 100000)
\if :turn % 3 = 1
SET statement_timeout = '5s';
\sleep 3 s
\elif :turn % 3 = 2
BEGIN;
SET TRANSACTION READ ONLY;
SELECT abalance FROM pgbench_accounts WHERE aid = :account;
COMMIT;
\endif
SELECT abalance FROM pgbench_accounts WHERE aid = :account;
\sleep 1 s
