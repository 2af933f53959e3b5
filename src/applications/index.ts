/** Networks with published weights: what runs in a browser too. `node.ts` beside it adds files and downloads. */

export { mobileNetV2, type PretrainedMobileNetV2Options } from './mobilenet-v2.ts';
export type { MobileNetV2Options } from './mobilenet-v2-layers.ts';
export type { WeightBytes } from './pretrained.ts';
