import type { Tensor } from '../autograd/tensor.ts';
import type { Device } from '../gpu/device.ts';
import type { Shape } from '../kernels/array.ts';
import type { LayerConfig } from '../nn/layers/config.ts';
import type { CallOptions, FinalActivation, Graph } from '../nn/layers/layer.ts';
import type { ParameterStore } from '../nn/weights/parameters.ts';
import type { Weight } from '../nn/weights/weight.ts';
import type { Compiled } from './compile.ts';
import type { ProgramCache } from './program-cache.ts';

/** The members of a model that training, evaluation and prediction use; `Model` documents them. */
export interface Trainable {
  readonly title: string;
  /** @throws ArgumentError before `build` */
  readonly device: Device;
  readonly replicas: number;
  readonly inputShape: Shape;
  readonly outputShape: Shape;
  readonly finalActivation: FinalActivation | null;
  readonly graph: Graph;
  readonly nested: Graph | null;
  readonly parameters: ParameterStore;
  readonly weights: readonly Weight[];
  /** @throws ArgumentError before `compile` */
  readonly training: Compiled;
  readonly programs: ProgramCache;
  stopTraining: boolean;
  call(x: Tensor, options?: CallOptions): Tensor;
  callLogits(x: Tensor, options?: CallOptions): Tensor;
  replicate(replicas: number): unknown;
  getConfig(): LayerConfig;
}
