/** Networks with published weights: what runs in a browser too. `node.ts` beside it adds files and downloads. */
export type { MobileNetV2Options } from '../nn/mobilenet-v2.ts';
export { mobileNetV2, type PretrainedMobileNetV2Options } from './mobilenet-v2.ts';
export type { WeightBytes } from './pretrained.ts';
