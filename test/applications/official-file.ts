import * as h5wasm from 'h5wasm';
import type { Values } from './weights.ts';

/** Name of a layer in Keras's files of MobileNetV2, which are older than the names in its code. */
function oldName(layer: string): string {
  if (layer === 'predictions') return 'Logits';
  const [, block, what, norm] = /^(expanded_conv|block_\d+)_(expand|depthwise|project)(_BN)?$/.exec(layer) ?? [];
  if (!block) return layer;
  const i = block === 'expanded_conv' ? 0 : Number(block.slice('block_'.length));
  return norm ? `bn${i}_conv_${i}_bn_${what}` : `mobl${i}_conv_${i}_${what}`;
}

/**
 * A .h5 file in Keras's layout: `layer_names` at the root, `weight_names` in the group of each layer, and the values at
 * `layer/layer/weight:0`. Layers without weights are listed too.
 * @param values by the names of a MobileNetV2's weights, in their order
 */
export async function officialFile(values: ReadonlyMap<string, Values>): Promise<Uint8Array<ArrayBuffer>> {
  const { FS } = await h5wasm.ready;
  const path = '/official.h5';
  const file = new h5wasm.File(path, 'w');
  const layers = new Map<string, [name: string, values: Values][]>([['input_1', []]]);
  for (const [name, array] of values) {
    const [layer, weight] = name.split('/') as [string, string];
    const old = oldName(layer);
    const stored = /depthwise$/.test(layer) ? 'depthwise_kernel' : weight;
    layers.set(old, [...(layers.get(old) ?? []), [`${old}/${stored}:0`, array]]);
  }
  file.create_attribute('layer_names', [...layers.keys()]);
  for (const [layer, weights] of layers) {
    const group = file.create_group(layer);
    if (weights.length === 0) continue;
    group.create_attribute(
      'weight_names',
      weights.map(([name]) => name),
    );
    const inner = group.create_group(layer);
    for (const [name, { shape, data }] of weights) {
      inner.create_dataset({ name: name.split('/')[1]!, data, shape: [...shape], dtype: '<f4' });
    }
  }
  file.close();
  const bytes = FS.readFile(path) as Uint8Array;
  FS.unlink(path);
  return Uint8Array.from(bytes);
}
