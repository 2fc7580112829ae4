import assert from "node:assert/strict";
import { test } from "node:test";
import { conditions, sentence } from "../src/i18n/alarms.de.ts";
import { labelOf, said } from "../src/kernel/alarm.ts";

// As alerts/*.py write them; tests/unit/alerts/dashboard/test_words.py asks the rules themselves.
const MESSAGES = [
  ["electrode off", "Elektrode ab"],
  ["no data for more than 15 s", "keine Daten seit mehr als 15 s"],
  ["no beat for 4.5 s >= 4 s", "kein Schlag in 4,5 s >= 4 s"],
  ["2.5 s between beats >= 2 s", "2,5 s zwischen zwei Schlägen >= 2 s"],
  ["HR 35 < 40 over 5 beats", "HF 35 < 40 über 5 Schläge"],
  ["p 0.93 >= 0.40, HR 80", "p 0,93 >= 0,40, HF 80"],
  ["p 0.93", "p 0,93"],
  ["irregular intervals, log odds -0.5 >= -1", "unregelmäßige Abstände, logarithmierte Chance -0,5 >= -1"],
  ["signal quality 0.12 (flat, no_beats)", "Signalqualität 0,12 (flach, keine Schläge)"],
  [
    "signal quality 0.12 (noise), EXTREME_TACHY AFIB not judged: HR 180 > 150 over 17 beats, but intervals as of noise",
    "Signalqualität 0,12 (Rauschen), EXTREME_TACHY AFIB nicht beurteilt: HF 180 > 150 über 17 Schläge, aber Abstände wie von Rauschen",
  ],
  [
    "no beat for 4.5 s >= 4 s, in a line without any signal (poor signal: flat)",
    "kein Schlag in 4,5 s >= 4 s, in einer Linie ohne jedes Signal (schlechtes Signal: flach)",
  ],
] as const;

test("messages of fixed form are said in German, others are left as they are", () => {
  for (const [english, german] of MESSAGES) assert.equal(sentence(english), german);
  assert.equal(sentence("something quite new"), null);
  assert.equal(sentence("something quite new, in a line without any signal"), null, "no half of a sentence");
});

test("without German the server's words stand", () => {
  const alarm = { condition: "AFIB", label: "Atrial fibrillation", message: "Atrial fibrillation, p 0.93" };
  assert.deepEqual([labelOf(alarm), said(alarm)], ["Atrial fibrillation", "p 0.93"]);
  assert.equal(conditions.AFIB, "Vorhofflimmern");
});
