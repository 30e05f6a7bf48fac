CREATE ROLE shop LOGIN;  -- the application's, which owns no table

CREATE TABLE orders (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant_id bigint NOT NULL DEFAULT current_setting('app.tenant_id')::bigint,
    total integer NOT NULL
);
GRANT SELECT, INSERT ON orders TO shop;

ALTER TABLE orders ENABLE ROW LEVEL SECURITY;

-- Without a tenant, no row is visible.
CREATE POLICY tenant ON orders
USING (tenant_id = nullif(current_setting('app.tenant_id', true), '')::bigint);

-- RDS Proxy does not see what a function does, so the third argument must be true: with
-- false, the tenant would stay on the connection for the next client.
CREATE FUNCTION set_tenant(tenant text) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('app.tenant_id', tenant, true);
END $$;
