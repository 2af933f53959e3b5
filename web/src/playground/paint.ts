import { colorMap, inks, LEVELS, pointColor, type Scheme } from './colors.ts';
import { HALF_WIDTH, type Points } from './data.ts';

/** Contents of the plane. */
export interface Scene {
  surface: ArrayLike<number>;
  boundaries: readonly Float32Array[];
  training: Points;
  test: Points;
  /** Position of the keyboard's cursor; null while it is hidden. */
  cursor: { x: number; y: number } | null;
}

const maps = new Map<Scheme, Uint8ClampedArray>();
function mapOf(scheme: Scheme): Uint8ClampedArray {
  const map = maps.get(scheme) ?? colorMap(scheme);
  maps.set(scheme, map);
  return map;
}

/** Draws values from 0 to 1 on a grid, one pixel per node. Clamps other values; NaN and infinity get the middle color. */
export function paintField(canvas: HTMLCanvasElement, values: ArrayLike<number>, scheme: Scheme): void {
  const map = mapOf(scheme);
  const context = canvas.getContext('2d')!;
  const size = Math.sqrt(values.length);
  if (canvas.width !== size) canvas.width = canvas.height = size;
  const image = context.createImageData(size, size);
  for (let i = 0; i < values.length; i++) {
    const value = Number.isFinite(values[i]) ? values[i]! : 0.5;
    const level = Math.round(Math.min(1, Math.max(0, value)) * (LEVELS - 1));
    image.data.set([map[3 * level]!, map[3 * level + 1]!, map[3 * level + 2]!, 255], 4 * i);
  }
  context.putImageData(image, 0, 0);
}

const nodes = document.createElement('canvas');

/** Draws the plane: surface, boundaries, test points as outlines, training points filled. */
export function paintPlane(canvas: HTMLCanvasElement, scene: Scene, scheme: Scheme): void {
  const context = canvas.getContext('2d')!;
  const { width } = canvas;
  const scale = width / (2 * HALF_WIDTH);
  const at = (x: number, y: number) => [(x + HALF_WIDTH) * scale, (HALF_WIDTH - y) * scale] as const;
  /** Pixels per design unit; the plane is 480 units wide. Small planes have relatively larger points. */
  const unit = Math.max(width / 480, 0.75 * devicePixelRatio);

  paintField(nodes, scene.surface, scheme);
  context.imageSmoothingEnabled = true;
  context.imageSmoothingQuality = 'high';
  // Nodes are centers of pixels; the outer nodes are on the edge of the plane.
  const inner = nodes.width - 1;
  context.drawImage(nodes, 0.5, 0.5, inner, inner, 0, 0, width, width);

  const { line, outline } = inks[scheme];
  context.strokeStyle = line;
  context.lineWidth = (scene.boundaries.length > 1 ? 1.1 : 2) * unit;
  context.lineCap = 'round';
  for (const boundary of scene.boundaries) {
    context.beginPath();
    for (let i = 0; i < boundary.length; i += 4) {
      context.moveTo(...at(boundary[i]!, boundary[i + 1]!));
      context.lineTo(...at(boundary[i + 2]!, boundary[i + 3]!));
    }
    context.stroke();
  }

  for (const [{ positions, labels }, isTraining] of [
    [scene.test, false],
    [scene.training, true],
  ] as const) {
    for (const [i, label] of labels.entries()) {
      const [x, y] = at(positions[2 * i]!, positions[2 * i + 1]!);
      const radius = (label === 0 ? 3.6 : 3.2) * unit;
      context.beginPath();
      if (label === 0) context.arc(x, y, radius, 0, 2 * Math.PI);
      else context.rect(x - radius, y - radius, 2 * radius, 2 * radius);
      const color = pointColor(scheme, label);
      context.lineWidth = (isTraining ? 2 : 3) * unit;
      context.strokeStyle = outline;
      context.stroke();
      context.fillStyle = isTraining ? color : outline;
      context.fill();
      if (isTraining) continue;
      context.lineWidth = 1.5 * unit;
      context.strokeStyle = color;
      context.stroke();
    }
  }
  if (!scene.cursor) return;
  const [x, y] = at(scene.cursor.x, scene.cursor.y);
  for (const [color, thickness] of [
    [outline, 4],
    [line, 1.5],
  ] as const) {
    context.strokeStyle = color;
    context.lineWidth = thickness * unit;
    context.beginPath();
    context.arc(x, y, 9 * unit, 0, 2 * Math.PI);
    for (const [dx, dy] of [
      [1, 0],
      [-1, 0],
      [0, 1],
      [0, -1],
    ] as const) {
      context.moveTo(x + 5 * dx * unit, y + 5 * dy * unit);
      context.lineTo(x + 14 * dx * unit, y + 14 * dy * unit);
    }
    context.stroke();
  }
}
