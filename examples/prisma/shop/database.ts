import { PrismaPg } from "@prisma/adapter-pg";
import pg from "pg";
import { PrismaClient } from "../generated/client.ts";

export const pool = new pg.Pool({
  connectionString: process.env.DATABASE_URL,
  application_name: "shop",
  max: 10,
  idleTimeoutMillis: 300_000, // RDS Proxy closes an idle client after 30 min
});

/** A client for the tables of one schema; all clients share the pool. */
export function client(schema = "public"): PrismaClient {
  return new PrismaClient({ adapter: new PrismaPg(pool, { schema }) });
}
