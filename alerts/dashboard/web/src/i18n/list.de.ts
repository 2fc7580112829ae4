// The words of the list of patients, in German.
import type { en } from "./list.en.ts";

export const de: typeof en = {
  title: "Patienten",
  table: "Patienten, einer je Zeile",
  search: "Bett oder Pseudonym suchen",
  show: "Welche Patienten",
  all: "Alle",
  alarming: "Mit Alarm",
  high: "Hoch",
  medium: "Mittel",
  low: "Niedrig",
  technical: "Technisch",
  silent: "Keine Daten",
  columns: {
    alarm: "Alarm",
    bed: "Bett",
    patient: "Pseudonym",
    rate: "Herzfrequenz",
    quality: "Güte",
    battery: "Akku",
    age: "Alter",
  },
  deed: "Quittieren",
  shown: (n, of) => (n === of ? `${of} Patienten` : `${n} von ${of} Patienten`),
  none: "Niemand, der hier ist, entspricht dem.",
  stored: (name) => `Gespeichertes Signal von ${name}`,
  more: (n) => `+${n}`,
  moreLabel: (n) => `und ${n} ${n === 1 ? "weiterer Alarm" : "weitere Alarme"}`,
  acknowledge: (label, who) => `${label} von ${who} quittieren`,
  acknowledged: "quittiert",
};
