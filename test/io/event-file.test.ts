import { expect, test } from 'vitest';
import { crc32c } from '../../src/base/crc32c.ts';
import {
  countBuckets,
  encodeRecord,
  graphEvent,
  histogram,
  image,
  scalar,
  summaryEvent,
  text,
  versionEvent,
} from '../../src/io/event-file.ts';
import { bytesOf, eventFiles } from '../golden/files/files.ts';
import { readEvents, slowCrc32c } from './event-reader.ts';

test.each([
  ['32 zeros', new Uint8Array(32), 0x8a9136aa],
  ['32 ones', new Uint8Array(32).fill(255), 0x62a8ab43],
  ['0 to 31', Uint8Array.from({ length: 32 }, (_, i) => i), 0x46dd794e],
  ['31 to 0', Uint8Array.from({ length: 32 }, (_, i) => 31 - i), 0x113fdb5c],
  ['the digits', new TextEncoder().encode('123456789'), 0xe3069283],
  ['nothing', new Uint8Array(), 0],
])('CRC-32C of %s is that of RFC 3720', (_, bytes, crc) => {
  expect(crc32c(bytes)).toBe(crc);
  expect(slowCrc32c(bytes)).toBe(crc);
});

/** Files that TensorBoard wrote for make_files.py. */
const written: Record<string, Uint8Array> = {
  version: versionEvent(1700000000.25),
  scalar: summaryEvent(1700000000.5, 3, [scalar('epoch_loss', 0.1)]),
  histogram: summaryEvent(1700000001, 300, [histogram('dense/kernel/histogram', eventFiles.values)]),
  'histogram of one value': summaryEvent(1700000002, 2 ** 40, [histogram('same', new Float32Array(7).fill(0.25))]),
  text: summaryEvent(1700000003, 0, [text('summary', '| a | b |\né世')]),
  image: summaryEvent(1700000004, 0, [image('model', { width: 640, height: 480, png: bytesOf(eventFiles.png) })]),
  graph: graphEvent(1700000005, [
    { name: 'input', op: 'Input', inputs: [], shape: [4, 4, 1] },
    { name: 'flatten', op: 'Flatten', inputs: ['input'], shape: [16] },
  ]),
};

test.each(Object.entries(eventFiles.events))("%s: has the bytes of TensorBoard's event", (name, base64) => {
  expect(Buffer.from(written[name]!).toString('latin1')).toBe(Buffer.from(base64, 'base64').toString('latin1'));
});

test("a file of events has the bytes of TensorBoard's writer, and the test's reader reads it", () => {
  const file = Uint8Array.from(Buffer.concat(Object.values(written).map(encodeRecord)));
  expect(file).toEqual(bytesOf(eventFiles.file));
  const events = readEvents(file);
  expect(events.map(({ step }) => step)).toEqual([0, 3, 300, 2 ** 40, 0, 0, 0]);
  expect(events[0]!.version).toBe('brain.Event:2');
  expect(events[1]!.values).toEqual([
    { tag: 'epoch_loss', plugin: 'scalars', shape: [], numbers: [Math.fround(0.1)], strings: [] },
  ]);
  expect(events[2]!.values[0]).toMatchObject({ plugin: 'histograms', shape: [30, 3] });
  expect(events[5]!.values[0]!.strings[1]).toEqual(new TextEncoder().encode('480'));
  expect(events[6]!.graph).toEqual([
    { name: 'input', op: 'Input', inputs: [] },
    { name: 'flatten', op: 'Flatten', inputs: ['input'] },
  ]);
});

test('the reader throws for a changed byte', () => {
  const file = Uint8Array.from(Buffer.concat(Object.values(written).map(encodeRecord)));
  for (const offset of [0, 20, file.length - 6])
    expect(() => readEvents(file.with(offset, file[offset]! ^ 1))).toThrow();
});

const rows = (values: number[]) => {
  const flat = countBuckets(values);
  return Array.from({ length: 30 }, (_, i) => flat.slice(3 * i, 3 * i + 3));
};

test('countBuckets: the largest value belongs to the last one; values that are not finite belong to none', () => {
  const found = rows([0, 30, 29, 1, Number.NaN, Number.POSITIVE_INFINITY, 0.5]);
  expect(found[0]).toEqual([0, 1, 2]);
  expect(found[1]).toEqual([1, 2, 1]);
  expect(found[29]).toEqual([29, 30, 2]);
  expect(found.reduce((sum, [, , count]) => sum + count!, 0)).toBe(5);
});

test('countBuckets: no values give zeros', () => {
  expect(countBuckets([])).toEqual(new Array(90).fill(0));
  expect(countBuckets([Number.NaN])).toEqual(new Array(90).fill(0));
});
