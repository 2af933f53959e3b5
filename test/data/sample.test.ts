import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { loadDataset } from '../../src/data/files.ts';
import { packageRoot } from '../../src/data/folders.ts';
import { countLabels, emptyCache } from './helpers.ts';

describe('bundled sample', () => {
  const sample = join(packageRoot()!, 'data', 'sample');

  test('CIFAR-10: has 2,000 and 500 images, equally many of each class', async () => {
    emptyCache();
    const { train, test, source } = await loadDataset('cifar10');
    expect(source).toEqual({
      kind: 'sample',
      path: join(sample, 'cifar-10-binary-sample.tar.gz'),
      description: 'bundled sample: 2,000 of 50,000 training and 500 of 10,000 test images',
    });
    expect(countLabels(train.labels)).toEqual(new Array(10).fill(200));
    expect(countLabels(test.labels)).toEqual(new Array(10).fill(50));
    // The release starts with a frog, two trucks, a deer and a car; the test set with a cat and two ships.
    expect([...train.labels.subarray(0, 5)]).toEqual([6, 9, 9, 4, 1]);
    expect([...test.labels.subarray(0, 3)]).toEqual([3, 8, 8]);
    expect([...train.images.subarray(0, 3)]).toEqual([59, 62, 63]);
    expect(sha256(train.images)).toBe('21cadaabd20b9a261fae8f2ef21cf320d9ec23e683288399327a31ecfc3259b9');
    expect(sha256(test.images)).toBe('b130bd64837d7ea45dc3fbd2d32f1f70eda695648ee6ceacee1ee0a41dc4202a');
    await expect(loadDataset('cifar10', { limit: 2001 })).rejects.toThrow(/the bundled sample/);
  });

  test('MNIST: has the first 4,000 and 1,000 images', async () => {
    emptyCache();
    const { train, test, source } = await loadDataset('mnist');
    expect(source.description).toBe('bundled sample: 4,000 of 60,000 training and 1,000 of 10,000 test images');
    expect([...train.labels.subarray(0, 10)]).toEqual([5, 0, 4, 1, 9, 2, 1, 3, 1, 4]);
    expect([...test.labels.subarray(0, 10)]).toEqual([7, 2, 1, 0, 4, 1, 4, 9, 5, 9]);
    expect([train.size, test.size]).toEqual([4000, 1000]);
    expect(sha256(train.images)).toBe('c49a7680bb295ed6b48f023662af4c8b298ece11212e5853dc52a0e1c2431471');
    expect(sha256(test.images)).toBe('f8f3c5a608a9f7d4bd5e9d69b90c53932b8b99371d9db26121b42f62f3abcd56');
  });

  test('has the files that data/sample/README.md lists', () => {
    const listed = [...readFileSync(join(sample, 'README.md'), 'utf8').matchAll(/^([0-9a-f]{64}) {2}(\S+)$/gm)];
    expect(listed.length).toBe(5);
    let bytes = 0;
    for (const [, sum, name] of listed) {
      const content = readFileSync(join(sample, name!));
      expect(sha256(content), name).toBe(sum);
      bytes += content.length;
    }
    expect(bytes).toBeLessThan(8.3e6);
  });
});

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
