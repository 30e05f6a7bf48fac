// Places an order, by placeOneByOne or placeInTurn; prints the revenue.
// Arguments: the way, and the schema of the tenant.
import { client, pool } from "./database.ts";
import { placeInTurn, placeOneByOne, revenue } from "./orders.ts";

const [way, schema] = process.argv.slice(2);
const prisma = client(schema);
await (way === "placeInTurn" ? placeInTurn : placeOneByOne)(prisma, 3);
console.log(await revenue(prisma));
await prisma.$disconnect();
await pool.end();
