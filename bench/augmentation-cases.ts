import { type Shape, sizeOf } from '../src/kernels/array.ts';
import { type AffineDraw, randomAffine, type Sampling } from '../src/kernels/random/augmentation.ts';
import { randomContrast, randomErasing } from '../src/kernels/random/augmentation-pixels.ts';
import type { KernelCase } from './kernel-case.ts';

const DRAW = { seed: 1, layer: 0, step: 1, hasOwnSeed: false };
const BLEND: Sampling = { interpolation: 'bilinear', fillMode: 'reflect', fillValue: 0 };
const EXACT: Sampling = { interpolation: 'nearest', fillMode: 'constant', fillValue: 0 };
const tenth = { low: -0.1, high: 0.1 };
const affine: Record<string, [AffineDraw, Sampling]> = {
  flip: [{ kind: 'flip', horizontal: true, vertical: false }, EXACT],
  translation: [{ kind: 'shift', rows: tenth, columns: tenth }, BLEND],
  rotation: [{ kind: 'rotation', turns: tenth }, BLEND],
  zoom: [{ kind: 'zoom', rows: { low: 0.9, high: 1.1 }, columns: null }, BLEND],
};

/** Returns the cases of the random image layers. They count one operation per value, because they are compared with a copy. */
export function augmentation(name: string, shape: Shape): KernelCase[] {
  const size = sizeOf(shape);
  const shared = { flops: size, bytes: 8 * size, bound: 'memory', variants: [] } as const;
  const range = [0, 1] as const;
  const erasing = { factor: { low: 1, high: 1 }, scale: { low: 0.02, high: 0.33 }, valueRange: range };
  return [
    ...Object.entries(affine).map(
      ([kind, [map, sampling]]): KernelCase => ({
        ...shared,
        name: `${name}-${kind}`,
        setUp(draw) {
          const x = draw(shape);
          return () => void randomAffine(kind, x, map, sampling, DRAW);
        },
      }),
    ),
    {
      ...shared,
      name: `${name}-contrast`,
      setUp(draw) {
        const x = draw(shape);
        const contrast = { factor: { low: 0.8, high: 1.2 }, valueRange: range };
        return () => void randomContrast('contrast', x, contrast, DRAW);
      },
    },
    ...[0, null].map(
      (fillValue): KernelCase => ({
        ...shared,
        name: `${name}-erasing${fillValue === null ? '-noise' : ''}`,
        setUp(draw) {
          const x = draw(shape);
          return () => void randomErasing('erasing', x, { ...erasing, fillValue }, DRAW);
        },
      }),
    ),
  ];
}
