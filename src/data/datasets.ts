import { formatValue } from '../base/check.ts';
import { UsageError } from '../base/errors.ts';
import type { DatasetName } from './types.ts';

/**
 * One file of a data set as its authors publish it.
 * @inline
 */
export interface DatasetFile {
  /** Its name. */
  name: string;
  /** Bytes. */
  size: number;
  /** `md5:...` or `sha256:...`, in hex. */
  checksum: string;
}

/**
 * Description of a data set and its files.
 * @inline
 */
export interface DatasetInfo {
  /** Name for `loadDataset`. */
  name: DatasetName;
  /** Name for people. */
  title: string;
  /** Who made it. */
  authors: string;
  /** Address of its page. */
  homepage: string;
  /** Terms of use. */
  licence: string;
  /** Class names in label order. */
  classes: readonly string[];
  /** [height, width, channels] of one image. */
  shape: readonly [number, number, number];
  /** Training images in the official release. */
  train: number;
  /** Test images in the official release. */
  test: number;
  /** Files that `tilegrad data fetch` downloads. */
  files: readonly DatasetFile[];
  /** Addresses that are tried in turn; file names are appended. */
  urls: readonly string[];
  /** Format of the files. */
  layout: 'cifar10' | 'idx';
  /** The unpacked files that hold the images and labels, training first. */
  parts: readonly string[];
  /** Subfolders of a data folder that may hold the parts, likeliest first; '' is the folder itself. */
  folders: readonly string[];
  /** File name of the official archive of the parts, if there is one. */
  archive?: string;
  /** The bundled sample in the package's `data/sample`; sets without one must be downloaded. */
  sample?: string;
  /** md5 of the unpacked official test labels. MNIST and Fashion-MNIST have the same file names; this distinguishes them. */
  testLabelsMd5?: string;
}

const IDX_PARTS = [
  'train-images-idx3-ubyte',
  'train-labels-idx1-ubyte',
  't10k-images-idx3-ubyte',
  't10k-labels-idx1-ubyte',
] as const;

/** The data sets tilegrad knows, by name. */
export const datasets: Readonly<Record<DatasetName, DatasetInfo>> = {
  cifar10: {
    name: 'cifar10',
    title: 'CIFAR-10',
    authors: 'Alex Krizhevsky, Vinod Nair, Geoffrey Hinton',
    homepage: 'https://www.cs.toronto.edu/~kriz/cifar.html',
    licence:
      'no formal licence; used for research and teaching with a citation of A. Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009',
    classes: ['airplane', 'automobile', 'bird', 'cat', 'deer', 'dog', 'frog', 'horse', 'ship', 'truck'],
    shape: [32, 32, 3],
    train: 50_000,
    test: 10_000,
    files: [{ name: 'cifar-10-binary.tar.gz', size: 170_052_171, checksum: 'md5:c32a1d4ab5d03f1284b67883e8d87530' }],
    urls: ['https://www.cs.toronto.edu/~kriz/'],
    layout: 'cifar10',
    parts: [
      'data_batch_1.bin',
      'data_batch_2.bin',
      'data_batch_3.bin',
      'data_batch_4.bin',
      'data_batch_5.bin',
      'test_batch.bin',
    ],
    folders: ['', 'cifar-10-batches-bin', 'cifar10', 'cifar10/cifar-10-batches-bin'],
    archive: 'cifar-10-binary.tar.gz',
    sample: 'cifar-10-binary-sample.tar.gz',
  },
  mnist: {
    name: 'mnist',
    title: 'MNIST',
    authors: 'Yann LeCun, Corinna Cortes, Christopher J. C. Burges',
    homepage: 'http://yann.lecun.com/exdb/mnist/',
    licence: 'commonly stated as CC BY-SA 3.0',
    classes: ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9'],
    shape: [28, 28, 1],
    train: 60_000,
    test: 10_000,
    files: [
      { name: 'train-images-idx3-ubyte.gz', size: 9_912_422, checksum: 'md5:f68b3c2dcbeaaa9fbdd348bbdeb94873' },
      { name: 'train-labels-idx1-ubyte.gz', size: 28_881, checksum: 'md5:d53e105ee54ea40749a09fcbcd1e9432' },
      { name: 't10k-images-idx3-ubyte.gz', size: 1_648_877, checksum: 'md5:9fb629c4189551a2d022fa330f9573f3' },
      { name: 't10k-labels-idx1-ubyte.gz', size: 4_542, checksum: 'md5:ec29112dd5afa0611ce80d1b7f02629c' },
    ],
    // The authors' server answers most requests with an error; these two have the same bytes.
    urls: ['https://storage.googleapis.com/cvdf-datasets/mnist/', 'https://ossci-datasets.s3.amazonaws.com/mnist/'],
    layout: 'idx',
    parts: IDX_PARTS,
    folders: ['mnist', 'MNIST/raw', ''],
    sample: 'mnist',
    testLabelsMd5: '27ae3e4e09519cfbb04c329615203637',
  },
  'fashion-mnist': {
    name: 'fashion-mnist',
    title: 'Fashion-MNIST',
    authors: 'Han Xiao, Kashif Rasul, Roland Vollgraf (Zalando SE)',
    homepage: 'https://github.com/zalandoresearch/fashion-mnist',
    licence: 'MIT',
    classes: ['T-shirt/top', 'Trouser', 'Pullover', 'Dress', 'Coat', 'Sandal', 'Shirt', 'Sneaker', 'Bag', 'Ankle boot'],
    shape: [28, 28, 1],
    train: 60_000,
    test: 10_000,
    // sha256 here: the official address has no https, and md5 does not protect against an attacker on the way.
    files: [
      {
        name: 'train-images-idx3-ubyte.gz',
        size: 26_421_880,
        checksum: 'sha256:3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84',
      },
      {
        name: 'train-labels-idx1-ubyte.gz',
        size: 29_515,
        checksum: 'sha256:a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845',
      },
      {
        name: 't10k-images-idx3-ubyte.gz',
        size: 4_422_102,
        checksum: 'sha256:346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073',
      },
      {
        name: 't10k-labels-idx1-ubyte.gz',
        size: 5_148,
        checksum: 'sha256:67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5',
      },
    ],
    urls: [
      'http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/',
      'https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/',
    ],
    layout: 'idx',
    parts: IDX_PARTS,
    folders: ['fashion-mnist', 'FashionMNIST/raw', ''],
    testLabelsMd5: '15d484375f8d13e6eb1aabb0c3f46965',
  },
};

/**
 * The entry of `datasets` for a name given by a user.
 * @throws {UsageError} for an unknown name.
 */
export function datasetInfo(name: string): DatasetInfo {
  const info = typeof name === 'string' && Object.hasOwn(datasets, name) ? datasets[name as DatasetName] : undefined;
  if (!info) throw new UsageError(`unknown data set ${formatValue(name)}; known: ${Object.keys(datasets).join(', ')}`);
  return info;
}
