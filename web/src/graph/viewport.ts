/** Which part of a drawing is seen: pan and zoom. (core) */

export interface Viewport {
  /** The corner of the seen part, in the drawing's own units. */
  x: number;
  y: number;
  /** How many pixels one unit has. */
  scale: number;
}

export interface Size {
  width: number;
  height: number;
}

const SMALLEST = 0.05;
const LARGEST = 4;

/** Return the viewport that shows a whole `drawing` in the middle of a `pane`. It never makes anything larger. */
export function fitDrawing(drawing: Size, pane: Size): Viewport {
  if (drawing.width <= 0 || drawing.height <= 0 || pane.width <= 0 || pane.height <= 0) {
    return { x: 0, y: 0, scale: 1 };
  }
  const scale = Math.min(1.15, pane.width / drawing.width, pane.height / drawing.height);
  return { x: (drawing.width - pane.width / scale) / 2, y: (drawing.height - pane.height / scale) / 2, scale };
}

/** Return the viewport after a zoom by `factor`, in which the point of the pane at (`atX`, `atY`) stays where it is. */
export function zoom(view: Viewport, factor: number, atX: number, atY: number): Viewport {
  const scale = Math.min(LARGEST, Math.max(SMALLEST, view.scale * factor));
  return { x: view.x + atX / view.scale - atX / scale, y: view.y + atY / view.scale - atY / scale, scale };
}

/** Return the viewport after the drawing was moved by so many pixels. */
export function pan(view: Viewport, byX: number, byY: number): Viewport {
  return { ...view, x: view.x - byX / view.scale, y: view.y - byY / view.scale };
}

export function writeViewBox(view: Viewport, pane: Size): string {
  return `${view.x} ${view.y} ${Math.max(1, pane.width / view.scale)} ${Math.max(1, pane.height / view.scale)}`;
}
