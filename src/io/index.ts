/** File formats as bytes, also for browsers. `node.ts` adds files. */
export { decodeKeras, type LoadKerasOptions } from './keras/model.ts';
export {
  decodeKerasWeights,
  type KerasLayerWeights,
  type KerasWeight,
  type KerasWeightsOptions,
  readKerasWeights,
} from './keras/weights.ts';
export {
  decodeModel,
  decodeWeights,
  encodeModel,
  encodeWeights,
  type LoadModelOptions,
  type LoadWeightsOptions,
} from './model-file.ts';
export type { ArrayData, ElementType, NdArray, NdArrayLike } from './nd-array.ts';
export { decodeNpy, encodeNpy } from './npy.ts';
export { decodeSafetensors, encodeSafetensors, type Safetensors } from './safetensors.ts';
