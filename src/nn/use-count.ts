import type { Tensor } from '../autograd/tensor.ts';
import type { Graph } from './graph.ts';

/**
 * Releases values that no later layer reads and no backward pass needs, so that inference, and training above a frozen part,
 * needs memory for the widest place of a model and not for its whole length.
 */
export class UseCount {
  private readonly left: number[];
  /** Values that a tape may still read. */
  private readonly taped = new Set<number>();

  constructor(uses: Graph['uses']) {
    this.left = Array<number>(uses.length + 1).fill(0);
    for (const { inputs } of uses) for (const value of inputs) this.left[value]!++;
    this.left[uses.length]!++; // the output is wanted
  }

  /** After the newest of `values` was made from `inputs`. */
  release(values: readonly Tensor[], inputs: readonly number[]): void {
    const newest = values.at(-1)!;
    for (const value of inputs) {
      this.left[value]!--;
      if (newest.requiresGrad) this.taped.add(value);
      const old = values[value]!;
      const handedOn = values.some(
        (other, i) => i !== value && other === old && (this.left[i]! > 0 || this.taped.has(i)),
      );
      if (value > 0 && this.left[value] === 0 && !this.taped.has(value) && !handedOn && old !== values[0])
        old.dispose();
    }
  }
}
