import { mkdirSync } from 'node:fs';
import { idx, writeFiles } from '../data/helpers.ts';
import { drawImages } from '../support/images.ts';

/** Writes a small Fashion-MNIST of drawn images, as its official files hold them. */
export function fashionFiles(
  folder: string,
  sizes: { train: number; test: number } = { train: 1200, test: 300 },
): void {
  const files = ({ images, labels, size }: ReturnType<typeof drawImages>, name: string) => ({
    [`${name}-images-idx3-ubyte`]: idx([size, 28, 28], images),
    [`${name}-labels-idx1-ubyte`]: idx([size], labels),
  });
  const draw = (size: number) => drawImages(size, { shape: [28, 28, 1], classes: 10 });
  mkdirSync(folder, { recursive: true });
  writeFiles(folder, { ...files(draw(sizes.train), 'train'), ...files(draw(sizes.test), 't10k') });
}
