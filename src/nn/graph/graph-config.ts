import type { LayerConfig } from '../layers/config.ts';
import type { Use } from '../layers/layer.ts';

/** A layer as JSON holds it: its `kind` and what its constructor takes. */
export interface LayerDescription {
  /** The layer's `kind`, such as `Conv2D`. */
  className: string;
  /** What the layer's `getConfig` gave. */
  config: LayerConfig;
}

/**
 * A model's `config`: its layers, each once, and their uses in order. Values are numbered as in `Use`.
 * @inline
 */
export interface GraphConfig extends LayerConfig {
  /** Name of the model, where it has one. */
  name?: string;
  /** Shape of one sample, without the batch. */
  inputShape: number[];
  /** The layers. */
  layers: LayerDescription[];
  /** What feeds what. */
  uses: Use[];
}
