import { Cluster } from "./scripts/cluster";
async function main() {
  await using cluster = await Cluster.start({ settings: { fsync: "off", max_wal_size: "8GB" } });
  const c = await cluster.client();
  await c.query("SELECT pg_create_logical_replication_slot('bemi','pgoutput')");
  await c.query("CREATE TABLE other (filler text); ALTER TABLE other ALTER filler SET STORAGE PLAIN");
  const q = "SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), confirmed_flush_lsn)::text AS lag, pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn)::text AS retained, safe_wal_size::text AS safe, wal_status, sent_lsn::text AS sent FROM pg_replication_slots LEFT JOIN pg_stat_replication ON pid = active_pid WHERE slot_name = 'bemi'";
  const measure = async (what: string) => { const ms: number[] = []; let r; for (let i = 0; i < 101; i++) { const t = performance.now(); r = (await c.query(q)).rows[0]; ms.push(performance.now() - t); } ms.sort((a, b) => a - b); console.log(what, r?.retained, "median ms", ms[50]?.toFixed(2), "max", ms[100]?.toFixed(2)); };
  await measure("empty");
  for (let i = 0; i < 20; i++) { await c.query("INSERT INTO other SELECT repeat('x', 8000) FROM generate_series(1, 12800)"); await c.query("TRUNCATE other"); }
  await measure("backlog");
  await c.end();
}
void main();
