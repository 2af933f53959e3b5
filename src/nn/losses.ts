import { softmaxCrossEntropyWithHits } from '../autograd/softmax.ts';
import type { Tensor } from '../autograd/tensor.ts';
import { show } from '../check.ts';
import { ArgumentError } from '../errors.ts';

/** A training objective. */
export interface Loss {
  readonly name: string;
  /** Whether the model's last layer already gives logits. If not, it must end in a softmax, which training then leaves out. */
  readonly fromLogits: boolean;
  /** Mean loss over the batch, and 1 for each sample classified rightly. */
  call(logits: Tensor, labels: Tensor): { loss: Tensor; hits: Tensor };
}

/**
 * Cross-entropy with integer labels. On a model that ends in a softmax it is computed from the logits before it, as
 * Keras does, so the gradient does not vanish where a probability rounds to 0 or 1.
 */
export class SparseCategoricalCrossentropy implements Loss {
  readonly name = 'sparseCategoricalCrossentropy';
  readonly fromLogits: boolean;

  constructor(options: { fromLogits?: boolean } = {}) {
    this.fromLogits = options.fromLogits ?? false;
  }

  call(logits: Tensor, labels: Tensor) {
    return softmaxCrossEntropyWithHits(logits, labels);
  }
}

const named = { sparseCategoricalCrossentropy: () => new SparseCategoricalCrossentropy() };
export type LossName = keyof typeof named;

/** A loss by Keras's name or as an object. @throws ArgumentError for an unknown name */
export function lossOf(loss: LossName | Loss): Loss {
  if (typeof loss === 'object' && typeof loss?.call === 'function') return loss;
  if (typeof loss !== 'string' || !Object.hasOwn(named, loss)) {
    throw new ArgumentError(
      `compile: loss must be an object or one of ${Object.keys(named).join(', ')}, but is ${show(loss)}`,
    );
  }
  return named[loss]();
}
