import type { PrismaClient } from "../generated/client.ts";

/** Places an order under a lock that pins: the session holds it. */
export async function placeInTurn(prisma: PrismaClient, total: number) {
  await prisma.$transaction(async (tx) => {
    await tx.$executeRaw`SELECT pg_advisory_lock(42)`;
    await tx.order.create({ data: { total } });
    await tx.$executeRaw`SELECT pg_advisory_unlock(42)`;
  });
}

/** Places an order under a lock of the transaction, which pins nothing. */
export async function placeOneByOne(prisma: PrismaClient, total: number) {
  await prisma.$transaction(async (tx) => {
    await tx.$executeRaw`SELECT pg_advisory_xact_lock(42)`;
    await tx.order.create({ data: { total } });
  });
}

export async function revenue(prisma: PrismaClient) {
  const { _sum } = await prisma.order.aggregate({ _sum: { total: true } });
  return _sum.total;
}
