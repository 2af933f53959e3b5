import type { ImageSet } from '../../src/node.ts';
import { random } from './random.ts';

/** Images with noise whose mean brightness depends on the class, so that they can be learned. The same images every time. */
export function drawImages(
  size: number,
  { shape = [32, 32, 3], classes = 10 }: { shape?: [number, number, number]; classes?: number } = {},
): ImageSet {
  const values = random(42);
  const pixels = shape.reduce((product, n) => product * n, 1);
  const labels = Uint8Array.from({ length: size }, () => values.integer(0, classes - 1));
  const step = Math.floor(185 / Math.max(1, classes - 1));
  const images = Uint8Array.from(
    { length: size * pixels },
    (_, i) => step * labels[Math.floor(i / pixels)]! + values.integer(0, 70),
  );
  return { images, labels, size, shape, classes: Array.from({ length: classes }, (_, i) => `${i}`) };
}
