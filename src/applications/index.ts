/** Networks with published weights: the part that also runs in browsers. `node.ts` adds files and downloads. */

export { mobileNetV2, type PretrainedMobileNetV2Options } from './mobilenet-v2.ts';
export type { MobileNetV2Options } from './mobilenet-v2-layers.ts';
export type { WeightBytes } from './pretrained.ts';
