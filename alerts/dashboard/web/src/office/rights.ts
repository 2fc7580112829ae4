// Roles, and what each may do, as alerts/dashboard/roles.py has it: for the table that explains. The server decides.
import type { Right, Role } from "../kernel/types.ts";

const ward: readonly Right[] = [
  "look",
  "acknowledge",
  "limits",
  "admit",
  "pair",
  "identity",
  "break_glass",
  "note",
  "report",
];

export const RIGHTS: readonly Right[] = [...ward, "people", "audit", "models", "fhir"];
export const OF_ROLE: Readonly<Record<Role, readonly Right[]>> = {
  nurse: ward,
  physician: [...ward, "models", "fhir"],
  technician: ["look", "pair", "break_glass", "note", "report"],
  administrator: RIGHTS.filter((right) => right !== "identity"),
  researcher: ["look", "fhir"],
};
export const ROLES = Object.keys(OF_ROLE) as Role[];
