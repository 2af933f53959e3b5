import { afterEach, expect, test } from 'vitest';
import { DeviceArray } from '../../src/kernels/array.ts';
import {
  ArgumentError,
  ArrayLoader,
  Dense,
  DisposedError,
  ImageLoader,
  OutOfMemoryError,
  Sequential,
  tensor,
  WeightCopy,
} from '../../src/node.ts';
import { describeOnDevice } from '../support/device.ts';
import { drawImages } from '../support/images.ts';

describeOnDevice('a failed upload', (device) => {
  // After each error, the same device must still compute, and hold no more memory than before.
  afterEach(async () => {
    using x = tensor(device, [1, 2], [2]);
    expect([...(await x.data())]).toEqual([1, 2]);
  });

  test.each<[what: string, upload: (array: DeviceArray) => unknown, says: RegExp]>([
    [
      'more than the buffer holds',
      ({ storage }) => device.upload(storage, new Float32Array(5)),
      /20 bytes from byte 0 on do not fit into a buffer of 16/,
    ],
    [
      'an end beyond the buffer',
      ({ storage }) => device.upload(storage, new Float32Array(2), 12),
      /8 bytes from byte 12/,
    ],
    ['a place between words', ({ storage }) => device.upload(storage, new Float32Array(1), 2), /multiple of 4/],
    ['a place before the buffer', ({ storage }) => device.upload(storage, new Float32Array(1), -4), /from byte -4/],
    ['an offset of NaN', ({ storage }) => device.upload(storage, new Float32Array(1), Number.NaN), /from byte NaN/],
    ['a list', ({ storage }) => device.upload(storage, [1, 2] as never), /data must be a typed array, but is \[1,2\]/],
    ['nothing', ({ storage }) => device.upload(storage, undefined as never), /data must be a typed array/],
    [
      'a copy into less',
      ({ storage }) => device.copy(storage, storage.view(0, 8)),
      /copy: 16 bytes do not fit into a buffer of 8/,
    ],
  ])('upload: throws before WebGPU is called: %s', async (_what, upload, says) => {
    using target = tensor(device, [1, 2, 3, 4], [4]);
    expect(() => upload(target.array)).toThrow(ArgumentError);
    expect(() => upload(target.array)).toThrow(says);
    await device.sync();
    expect([...(await target.data())]).toEqual([1, 2, 3, 4]);
  });

  test('upload: throws DisposedError for a released buffer, which another tensor may use', async () => {
    const disposed = tensor(device, [1], [1]);
    const { storage } = disposed.array;
    disposed.dispose();
    using next = tensor(device, [2], [1]);
    expect(() => device.upload(storage, Float32Array.of(3))).toThrow(DisposedError);
    expect(await next.item()).toBe(2);
  });

  test('read: throws ArgumentError beyond the end of the buffer', async () => {
    using target = tensor(device, [1, 2, 3, 4], [4]);
    await expect(device.read(target.array.storage, 20)).rejects.toThrow(/a buffer of 16 bytes has no first 20 bytes/);
    await expect(device.read(target.array.storage, -4)).rejects.toThrow(ArgumentError);
  });

  test.each([[undefined], [undefined, 8], [{ bytes: 16 }, 8], [new Float32Array(4)]])(
    'read: throws ArgumentError if `from` is not a storage: %j',
    async (...args) => {
      const read = device.read(...(args as unknown as [never]));
      await expect(read).rejects.toThrow(ArgumentError);
      await expect(read).rejects.toThrow(/^read: from must be the storage of an array/);
    },
  );

  test('upload: throws for weights of another model uploaded to a copy of weights', async () => {
    using small = new Sequential([new Dense({ units: 1, inputShape: [2] })]).build(device);
    const copy = new WeightCopy(small.parameters);
    const [trained, untrained] = await copy.read();
    expect(() => copy.write([new Float32Array(10_000), untrained!])).toThrow(ArgumentError);
    await device.sync();
    copy.write([trained!, untrained!]);
    copy.dispose();
  });

  test('allocate: OutOfMemoryError for arrays larger than the adapter binds, whatever they are for; earlier arrays are released', async () => {
    const { bytesAllocated } = device.counters;
    const limit = device.largestArray;
    expect(() => DeviceArray.empty(device, [limit / 4 + 1])).toThrow(OutOfMemoryError);
    expect(device.counters.bytesAllocated).toBe(bytesAllocated);
    await device.sync();
  });

  test.each<[what: string, make: () => unknown]>([
    ['ImageLoader', () => new ImageLoader(device, drawImages(4, { shape: [2, 2, 1], classes: 2 }), { scale: [2] })],
    ['ArrayLoader of labels', () => new ArrayLoader(device, { x: [1, 2, 3, 4], y: [0, 1], shape: [2], classes: 2 })],
    ['ArrayLoader of numbers', () => new ArrayLoader(device, { x: [1, 2, 3, 4], y: [0, 1], shape: [2] })],
    ['tensor', () => tensor(device, [1, 2], [2])],
  ])('%s that fails between two uploads releases its arrays', async (_what, make) => {
    const upload = device.upload.bind(device);
    const failing = (failAt: number) => {
      let calls = 0;
      device.upload = (...given) => {
        if (calls++ === failAt) throw new OutOfMemoryError('no memory left');
        upload(...given);
      };
      try {
        make();
        return null;
      } catch (error) {
        return error;
      }
    };
    try {
      let uploads = 0;
      let heldBytes = 0;
      for (; failing(uploads) instanceof OutOfMemoryError; uploads++) {
        // The second time, all memory comes from buffers that the first call released.
        heldBytes = device.counters.bytesAllocated;
        failing(uploads);
        expect(device.counters.bytesAllocated).toBe(heldBytes);
      }
      expect(uploads).toBeGreaterThan(0);
    } finally {
      Reflect.deleteProperty(device, 'upload');
    }
  });
});
