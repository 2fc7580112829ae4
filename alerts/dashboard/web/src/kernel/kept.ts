// What this browser remembers of a screen's settings: never anything of a patient.
export const kept = {
  get(name: string, otherwise: string): string {
    try {
      return localStorage.getItem(name) ?? otherwise;
    } catch {
      return otherwise;
    }
  },
  set(name: string, value: string): void {
    try {
      localStorage.setItem(name, value);
    } catch {
      // a browser that keeps nothing shows the default next time
    }
  },
};
