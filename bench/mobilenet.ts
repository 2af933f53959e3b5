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

/** Height and width of the images that MobileNetV2 gets, as in the experiments B9 and B10. */
const SIDE = 96;

/** The first layer of MobileNetV2 that experiment B10 trains: the last 120 of 156 layers, input and head counted. */
export const FIRST_TRAINABLE = 'block_4_expand';

/** Rates of dropout in the head of experiment B10. */
export const HEAD_DROPOUT = [0.2, 0.3];

/** Returns MobileNetV2 (alpha 1) for ten classes, with all layers trainable. */
export const mobilenet = (): Model => mobileNetV2({ inputShape: [SIDE, SIDE, 3], classes: 10 });

/** Returns the model of experiment B10: CIFAR-10 images scaled up within the model, frozen first layers, the head of the small VGG. */
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

/** Sets all kernels of a built model by an initializer, in the order of the layers: `mobileNetV2` has no such option. */
export function setKernels(device: Device, model: Model, initializer: Initializer): void {
  for (const [i, { name, spec, tensor }] of model.weights.entries()) {
    if (!name.endsWith('/kernel')) continue;
    device.upload(tensor.array.storage, initializer(spec.shape, new RandomStream(0, 'initializer', i)));
  }
}
