import { RandomStream } from '../src/base/random.ts';
import {
  Dense,
  type Device,
  Dropout,
  Flatten,
  type Initializer,
  type Model,
  mobileNetV2,
  Rescaling,
  Resizing,
  Sequential,
} from '../src/node.ts';

/** Side of the images that MobileNetV2 sees, as in experiments B9 and B10. */
const SIDE = 96;

/** The first layer of MobileNetV2 that experiment B10 trains: with the input and the head, the last 120 of 156 layers. */
export const FIRST_TRAINABLE = 'block_4_expand';

/** Rates of dropout in the head of experiment B10. */
export const HEAD_DROPOUT = [0.2, 0.3];

/** MobileNetV2 (alpha 1) for ten classes, all layers trained. */
export const mobilenet = (): Model => mobileNetV2({ inputShape: [SIDE, SIDE, 3], classes: 10 });

/** Experiment B10: CIFAR-10 upscaled within the model, the first layers frozen, the small VGG's head. */
export function mobilenetFinetune(dropout: boolean): Model {
  const extractor = mobileNetV2({ inputShape: [SIDE, SIDE, 3], includeTop: false });
  const first = extractor.layers.indexOf(extractor.getLayer(FIRST_TRAINABLE));
  for (const layer of extractor.layers.slice(0, first)) layer.trainable = false;
  const drop = (i: number) => (dropout ? [new Dropout(HEAD_DROPOUT[i]!)] : []);
  return new Sequential(
    [
      new Rescaling({ scale: 2, offset: -1, inputShape: [32, 32, 3] }), // from the loader's 0..1
      new Resizing({ height: SIDE, width: SIDE }),
      extractor,
      new Flatten(),
      ...drop(0),
      new Dense({ units: 256, activation: 'relu' }),
      ...drop(1),
      new Dense({ units: 64, activation: 'relu' }),
      new Dense({ units: 10, activation: 'softmax' }),
    ],
    'mobilenet_finetune',
  );
}

/** Gives every kernel of a built model, in the order of the layers, the values of an initializer: `mobileNetV2` takes none. */
export function setKernels(device: Device, model: Model, initializer: Initializer): void {
  for (const [i, { name, spec, tensor }] of model.weights.entries()) {
    if (!name.endsWith('/kernel')) continue;
    device.upload(tensor.array.storage, initializer(spec.shape, new RandomStream(0, 'initializer', i)));
  }
}
