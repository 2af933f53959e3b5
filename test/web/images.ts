import type { ImageSet } from '../../src/node.ts';
import type { Samples } from '../../web/src/samples.ts';
import { DEFAULTS, type Settings } from '../../web/src/settings.ts';
import { drawImages } from '../support/images.ts';

const part = (set: ImageSet, first: number, end: number): ImageSet => ({
  ...set,
  images: set.images.subarray((first * set.images.length) / set.size, (end * set.images.length) / set.size),
  labels: set.labels.subarray(first, end),
  size: end - first,
});

const drawn = drawImages(60, { shape: [28, 28, 1] });
/** Drawn images of MNIST's shape: 40 to train on, which are 5 steps an epoch with `SMALL`, and 20 to test with. */
export const samples: Samples = { train: part(drawn, 0, 40), test: part(drawn, 40, 60) };

/** A network that trains quickly. */
export const SMALL: Settings = { ...DEFAULTS, network: 'mlp', layers: [8], batch: 8, rate: 0.01 };
