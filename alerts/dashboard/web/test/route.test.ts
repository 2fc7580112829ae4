import assert from "node:assert/strict";
import { test } from "node:test";
import { alarmOf, hashOf, parseRoute } from "../src/kernel/route.ts";

test("addresses", () => {
  for (const wall of ["", "#", "#/"]) assert.equal(parseRoute(wall)?.page, "", wall);
  assert.equal(parseRoute("#/list")?.page, "list");
  const route = parseRoute("#/patient/p.1:x-_?t=1790000000000000&w=30");
  assert.deepEqual([route?.page, route?.id, route?.query.get("t")], ["patient", "p.1:x-_", "1790000000000000"]);
  assert.equal(parseRoute("#/patient/")?.id, null);
});

test("what is no address of ours", () => {
  for (const bad of ["#/a/b/c", "#/patient/%zz", "#/patient/a%2Fb", "#/..", "#/Patient", `#/patient/${"x".repeat(65)}`])
    assert.equal(parseRoute(bad), null, bad);
});

test("an address reads back as it was written", () => {
  const hash = hashOf("patient", "p:1", { t: 17, code: "A&B" });
  const route = parseRoute(hash);
  assert.deepEqual(
    [route?.page, route?.id, route?.query.get("t"), route?.query.get("code")],
    ["patient", "p:1", "17", "A&B"],
  );
  assert.equal(hashOf(""), "#/");
  assert.equal(hashOf("list"), "#/list");
});

test("the link of a notice", () => {
  assert.equal(alarmOf("#alarm=ab-12_C"), "ab-12_C");
  assert.equal(alarmOf("#/alarm=ab"), "ab");
  for (const bad of ["#alarm=", "#alarm=a/b", "#alarm=<b>", "#/list"]) assert.equal(alarmOf(bad), null, bad);
});
