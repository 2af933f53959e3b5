import type { Choice } from './kernel-selection.ts';

/** What a dispatch belongs to, for profiles. */
export interface Origin {
  /** The layer's call in a model, as errors name it; of layers that share a kernel the first. Null outside of layers: losses, optimizers. */
  layer: string | null;
  /** Whether a backward pass dispatched it. */
  backward: boolean;
  /** Choices of kernels that led to it, the outermost first: a convolution may run as a matrix product, of which there are kernels too. */
  choices: readonly Choice[];
}

/** Runs `body`, whose dispatches have this in their origin. */
export function withOrigin<T>(device: { origin: Origin }, part: Partial<Origin>, body: () => T): T {
  const { origin } = device;
  device.origin = { ...origin, ...part };
  try {
    return body();
  } finally {
    device.origin = origin;
  }
}
