import { DatabaseError } from "pg";
import { decodingContext } from "../../worker/stream/decoding-context";

/** As servers of these languages say it. */
const CHANGE = [
  'slot "s", output plugin "pgoutput", in the change callback, associated LSN 0/1A2B3C4',
  "Slot »s«, Ausgabe-Plugin »pgoutput«, im Callback change, zugehörige LSN 0/1A2B3C4",
  "slot « s », plugin de sortie « pgoutput », dans la fonction d'appel change, associé au LSN 0/1A2B3C4",
  'スロット"s", 出力プラグイン"pgoutput", changeコールバックの処理中, 関連LSN 0/1A2B3C4',
  '槽 "s", 输出插件 "pgoutput", 在 change 回调中, 关联 LSN 为 0/1A2B3C4',
  'слот "s", модуль вывода "pgoutput", в обработчике change, связанный LSN: 0/1A2B3C4',
];

const contextOf = (where?: string) => {
  const error = new DatabaseError("", 0, "error");
  return decodingContext(Object.assign(error, where ? { where } : {}));
};

test("a failed change and its position are known in any language", () => {
  for (const where of CHANGE) {
    expect(contextOf(where)).toEqual({ inChange: true, lsn: "0/1A2B3C4" });
  }
});

test("another callback is no change, whatever the slot is called", () => {
  expect(
    contextOf(
      'slot "change", output plugin "pgoutput", in the commit callback',
    ),
  ).toEqual({ inChange: false, lsn: undefined });
  expect(contextOf()).toEqual({ inChange: false, lsn: undefined });
});
