import type { LayerConfig } from '../layers/config.ts';
import type { Use } from '../layers/layer.ts';

/** A layer as JSON: its `kind` and its constructor's arguments. */
export interface LayerDescription {
  /** The layer's `kind`, such as `Conv2D`. */
  className: string;
  /** Result of the layer's `getConfig`. */
  config: LayerConfig;
}

/**
 * A model's `config`: its layers, each once, and their uses in topological order. Values are numbered as in `Use`.
 * @inline
 */
export interface GraphConfig extends LayerConfig {
  /** Name of the model, if it has one. */
  name?: string;
  /** Shape of one sample, without the batch. */
  inputShape: number[];
  /** The layers. */
  layers: LayerDescription[];
  /** Uses of the layers, with their inputs. */
  uses: Use[];
}
