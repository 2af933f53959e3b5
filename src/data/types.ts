/** Labelled images in host memory, as the files hold them: bytes, not yet scaled. */
export interface ImageSet {
  /** NHWC bytes, `size * height * width * channels` of them. */
  images: Uint8Array;
  /** One class index an image. */
  labels: Uint8Array;
  size: number;
  /** [height, width, channels] of one image. */
  shape: [number, number, number];
  /** Class names in label order. */
  classes: string[];
}

export type DatasetName = 'cifar10' | 'mnist' | 'fashion-mnist';

/** Where a data set was found, for people (`description`) and for `run.json`. */
export interface DatasetSource {
  kind: 'folder' | 'archive' | 'sample';
  path: string;
  /** One line, such as `bundled sample: 2,000 of 50,000 training and 500 of 10,000 test images`. */
  description: string;
}

export interface Dataset {
  name: DatasetName;
  train: ImageSet;
  test: ImageSet;
  source: DatasetSource;
}
