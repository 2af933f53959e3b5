import type { Choice } from './kernel-selection.ts';

/** Layer, pass and kernel selection that a dispatch belongs to, for profiles. */
export interface Origin {
  /** Name of the layer's call, as in errors; the first layer if several share a kernel. Null outside of layers: losses, optimizers. */
  layer: string | null;
  /** Whether a backward pass dispatched it. */
  backward: boolean;
  /** Selected kernel variants, the outermost first: a convolution may run as a matrix product, which has variants too. */
  choices: readonly Choice[];
}

/** Runs `body` with `part` in the origin of its dispatches. */
export function withOrigin<T>(device: { origin: Origin }, part: Partial<Origin>, body: () => T): T {
  const { origin } = device;
  device.origin = { ...origin, ...part };
  try {
    return body();
  } finally {
    device.origin = origin;
  }
}
