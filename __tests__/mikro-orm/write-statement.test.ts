import { writesRows } from "../../mikro-orm/source/write-statement";

test.each([
  "insert into a values (1)",
  "  \n(UPDATE a set b = 1)",
  "delete from a",
  "MERGE INTO a USING b ON true WHEN MATCHED THEN DELETE",
  "truncate a",
  "with x as (select 1) insert into a select * from x",
  "with gone as (delete from a returning *) select * from gone",
  "/* trace /* nested */ id */ -- note\n insert into a values (1)",
  "set local work_mem = '1MB'; update a set b = 1",
  "begin;insert into a values (1);commit",
  "select 1; -- note\n /* note */ (insert into a values (1))",
  "begin; explain analyze delete from a",
  "do $$ begin delete from a; end $$",
  "call p()",
  "explain analyze delete from a",
])("%s writes", (sql) => expect(writesRows(sql)).toBe(true));

test.each([
  "select 1",
  "select * from a where note = 'delete from a'",
  "select * from a for update",
  "select updated_at, inserted from a",
  "with x as (select 1) select * from x",
  "/* insert */ select 1",
  "-- insert",
  "/* never closed",
  "begin",
  "commit",
  "savepoint a",
  "select 1; -- insert",
  "begin; /* insert */ commit; ",
  "create table a (id int)",
  "",
])("%s does not", (sql) => expect(writesRows(sql)).toBe(false));

test("a long row of comments is read once", () => {
  expect(writesRows(`${"/**/".repeat(200_000)}select 1`)).toBe(false);
  expect(writesRows(`select 1${";/*;*/".repeat(200_000)}`)).toBe(false);
});
