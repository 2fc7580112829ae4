// ECG grid paper on a canvas: 25 mm/s, 10 mm/mV, ten seconds a row, with a calibration pulse.
import { clock } from "../kernel/clock.ts";
import { colour, PX_PER_MM } from "../kernel/dom.ts";

export const MM = PX_PER_MM;
export const ROW_S = 10;
export const ROW_MM = 35;
export const PULSE_MM = 13; // room for the calibration pulse at the left
export const MM_PER_S = 25;
export const MM_PER_MV = 10;
export const WIDTH_PX = Math.ceil((PULSE_MM + ROW_S * MM_PER_S + 2) * MM);

// The grid: fine every millimetre, strong every five.
export function paper(c: CanvasRenderingContext2D, width: number, height: number): void {
  c.fillStyle = colour("--paper");
  c.fillRect(0, 0, width, height);
  for (const [every, name, line] of [
    [1, "--grid-fine", 0.5],
    [5, "--grid", 1],
  ] as const) {
    c.strokeStyle = colour(name);
    c.lineWidth = line;
    c.beginPath();
    for (let x = 0; x * MM <= width; x += every) {
      c.moveTo(x * MM, 0);
      c.lineTo(x * MM, height);
    }
    for (let y = 0; y * MM <= height; y += every) {
      c.moveTo(0, y * MM);
      c.lineTo(width, y * MM);
    }
    c.stroke();
  }
}

// The baseline of a row.
export const baseOf = (row: number): number => (row + 0.6) * ROW_MM * MM;

// 1 mV for 0.2 s at the left of a row, and the time below it; t0: microseconds at which the paper begins.
export function rowMarks(c: CanvasRenderingContext2D, row: number, t0: number): void {
  const base = baseOf(row);
  const [x, w, h] = [3 * MM, 5 * MM, MM_PER_MV * MM];
  c.strokeStyle = colour("--pen");
  c.lineWidth = 1.3;
  c.beginPath();
  c.moveTo(x, base);
  c.lineTo(x + 1.5 * MM, base);
  c.lineTo(x + 1.5 * MM, base - h);
  c.lineTo(x + 1.5 * MM + w, base - h);
  c.lineTo(x + 1.5 * MM + w, base);
  c.lineTo(x + 3 * MM + w, base);
  c.stroke();
  c.fillStyle = colour("--pen");
  c.font = "11px system-ui, sans-serif";
  for (let s = 0; s < ROW_S; s += 5)
    c.fillText(clock(t0 + (row * ROW_S + s) * 1e6), (PULSE_MM + s * MM_PER_S) * MM + 3, (row + 1) * ROW_MM * MM - 5);
}
