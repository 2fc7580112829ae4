// How an alarm is marked on a canvas: an arrow in the colour of its priority, hollow where it came late.
import { level } from "../kernel/alarm.ts";
import { colour } from "../kernel/dom.ts";
import type { Alarm } from "../kernel/types.ts";

// Points at (x, y + 9) from above; `px` device pixels to one of the page's. Its edge is seen on any ground.
export function arrow(c: CanvasRenderingContext2D, alarm: Alarm, x: number, y: number, px = 1): void {
  c.beginPath();
  c.moveTo(x - 4.5 * px, y + px);
  c.lineTo(x + 4.5 * px, y + px);
  c.lineTo(x, y + 9 * px);
  c.closePath();
  c.fillStyle = colour(alarm.late || alarm.retrospective ? "--tile" : `--${level(alarm)}`) || colour("--muted");
  c.strokeStyle = colour("--text");
  c.lineWidth = px;
  c.fill();
  c.stroke();
}
