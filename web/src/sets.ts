import type { DataName } from './settings.ts';

export interface SetInfo {
  /** [height, width, channels] of an image. */
  shape: readonly [number, number, number];
  /** Names in the order of the labels. */
  classes: readonly string[];
}

/** The data sets of the page. */
export const SETS: Readonly<Record<DataName, SetInfo>> = {
  mnist: { shape: [28, 28, 1], classes: ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9'] },
  cifar10: {
    shape: [32, 32, 3],
    classes: ['airplane', 'automobile', 'bird', 'cat', 'deer', 'dog', 'frog', 'horse', 'ship', 'truck'],
  },
};
