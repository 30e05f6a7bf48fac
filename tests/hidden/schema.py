"""Functions and triggers; some leave state on a session, others do not."""

SCHEMA = """
CREATE SCHEMA app;
CREATE FUNCTION app.set_tenant(t text) RETURNS void LANGUAGE plpgsql
    AS $$ BEGIN PERFORM set_config('app.tenant', t, false); END $$;
CREATE FUNCTION app.login(t text) RETURNS void LANGUAGE sql
    AS $$ SELECT app.set_tenant(t) $$;
CREATE FUNCTION app.safe(t text) RETURNS void LANGUAGE plpgsql
    AS $$ BEGIN PERFORM set_config('app.tenant', t, true); END $$;
CREATE FUNCTION app.dynamic(t text) RETURNS void LANGUAGE plpgsql
    AS $$ BEGIN EXECUTE t; END $$;
CREATE AGGREGATE app.last(int) (SFUNC = int4larger, STYPE = int);
CREATE FUNCTION endless(n int) RETURNS int LANGUAGE plpgsql
    AS $$ BEGIN RETURN endless(n + 1); END $$;
CREATE FUNCTION login() RETURNS void LANGUAGE plpgsql AS $$ BEGIN LISTEN a; END $$;
CREATE TABLE app.orders (id int PRIMARY KEY);
CREATE FUNCTION app.audit() RETURNS trigger LANGUAGE plpgsql
    AS $$ BEGIN LISTEN audits; RETURN new; END $$;
CREATE TRIGGER audit BEFORE INSERT ON app.orders
    FOR EACH ROW EXECUTE FUNCTION app.audit();
CREATE FUNCTION app.order() RETURNS void LANGUAGE sql
    AS $$ INSERT INTO app.orders VALUES (1) $$;
"""
