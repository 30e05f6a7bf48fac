// Logs in, runs queries, prints their rows or the error, and ends at its next input.
const { Client } = require("pg");

async function main() {
  const client = new Client(JSON.parse(process.argv[2]));
  client.on("error", () => {});
  try {
    await client.connect();
    const rows = [];
    for (const query of JSON.parse(process.argv[3])) {
      rows.push((await client.query(query)).rows);
    }
    console.log(JSON.stringify(rows));
  } catch (error) {
    console.log(JSON.stringify({ code: error.code, message: error.message }));
  }
  await new Promise((resolve) => process.stdin.once("data", resolve));
  await client.end().catch(() => {});
  process.exit(0);
}

main();
