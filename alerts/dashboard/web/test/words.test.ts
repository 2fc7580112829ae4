import assert from "node:assert/strict";
import { test } from "node:test";
import { de } from "../src/i18n/de.ts";
import { en } from "../src/i18n/en.ts";
import { pick } from "../src/i18n/index.ts";
import { countdown, duration } from "../src/kernel/clock.ts";

test("the language that was chosen, else the browser's, else English", () => {
  assert.equal(pick("de", "en-US"), "de");
  assert.equal(pick("", "de-CH"), "de");
  assert.equal(pick("fr", "pt-BR"), "en");
  assert.equal(pick("constructor", undefined), "en");
});

const same = new Set(["title", "none", "age", "of", "pageTitle", "short", "step", "pausedBrief", "battery", "within"]);

test("German says everything in words of its own", () => {
  for (const [name, text] of Object.entries(de.t))
    if (typeof text === "string" && !same.has(name)) assert.notEqual(text, en.t[name as keyof typeof en.t], name);
  assert.deepEqual(Object.keys(de.t).sort(), Object.keys(en.t).sort());
});

test("lengths of time", () => {
  assert.deepEqual([0, 59.9, 60, 3661].map(duration), ["0 s", "59 s", "1 min 00 s", "1 h 01 min"]);
  assert.equal(countdown(119.5), "1:59");
});
