// One line of the audit in words.
export type Detail = Readonly<Record<string, unknown>>;

// "bed: A-03 · devices: patch-1, patch-2". `flagged` has a column of its own; times are told as times.
export function detailOf(detail: Detail, at: (us: number) => string, called: (name: string) => string): string {
  return Object.entries(detail)
    .filter(([name]) => name !== "flagged")
    .map(([name, value]) => `${called(name.replace(/_us$/, ""))}: ${told(name, value, at)}`)
    .join(" \u00b7 ");
}

function told(name: string, value: unknown, at: (us: number) => string): string {
  if (typeof value === "number" && name.endsWith("_us")) return at(value);
  if (value === null || value === undefined || value === "") return "\u2013";
  if (Array.isArray(value)) return value.length ? value.map((one) => told(name, one, at)).join(", ") : "\u2013";
  if (typeof value === "object")
    return Object.entries(value)
      .map(([key, one]) => `${key} ${told(key, one, at)}`)
      .join(", ");
  return String(value);
}
