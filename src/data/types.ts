/** Pixels of images: bytes from 0 to 255, or floats of any scale. */
export type PixelArray = Uint8Array | Uint8ClampedArray | Float32Array;

/** Class indices, in the narrowest type that holds them. */
export type LabelArray = Uint8Array | Uint16Array | Uint32Array;

/** Labeled images in host memory: unscaled bytes as in files, or floats. */
export interface ImageSet<Pixels extends PixelArray = Uint8Array> {
  /** NHWC, `size * height * width * channels` numbers. */
  images: Pixels;
  /** Class index of each image. Empty if `classes` is: images without labels, for `predict`. */
  labels: LabelArray;
  /** Number of images. */
  size: number;
  /** [height, width, channels] of one image. */
  shape: [number, number, number];
  /** Class names in label order. */
  classes: string[];
  /** The file of each image, if the images come from files. */
  files?: string[];
}

/** The data sets of `loadDataset` and `fetchDataset`. */
export type DatasetName = 'cifar10' | 'mnist' | 'fashion-mnist';

/** Where a data set was found, as text (`description`) and for `run.json`. */
export interface DatasetSource {
  /** A folder with the files, the official archive, or the sample that comes with tilegrad. */
  kind: 'folder' | 'archive' | 'sample';
  /** The folder, or the archive itself. */
  path: string;
  /** One line, such as `bundled sample: 2,000 of 50,000 training and 500 of 10,000 test images`. */
  description: string;
}

/** A data set in host memory, as `loadDataset` returns it. */
export interface Dataset {
  /** Which data set it is. */
  name: DatasetName;
  /** Training images. */
  train: ImageSet;
  /** Test images. */
  test: ImageSet;
  /** Where it was found. */
  source: DatasetSource;
}
