import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { decodeBackup, encodeBackup } from '../../src/io/backup-file.ts';
import { encodeUnchecked } from '../../src/io/safetensors.ts';
import {
  ArgumentError,
  DataError,
  decodeSafetensors,
  encodeSafetensors,
  type StateValue,
  type TrainingState,
} from '../../src/node.ts';

/** A NaN with a payload, which JavaScript's numbers would lose. */
const nan = new Float32Array(Uint32Array.of(0x7fc0_1234).buffer);
const state: TrainingState = {
  run: { batchSize: 7, data: { shape: [2, 3], classes: null } },
  position: { epoch: 2, step: 3, begun: true },
  stopTraining: false,
  weights: [Float32Array.of(1, -0, 1e-45), new Float32Array(0)],
  optimizer: { iterations: 8, fixedRates: [0.1 + 0.2], learningRate: 0.1 + 0.2, slots: [nan] },
  totals: Uint32Array.of(0, 2 ** 32 - 1),
  history: {
    epochs: [{ epoch: 1, loss: Number.NaN, learningRate: 1, seconds: 0.5, samplesPerSecond: 3 }],
    replicas: [],
  },
  seconds: { whole: 1.5, epoch: 0.25 },
  callbacks: [{ best: Number.NEGATIVE_INFINITY, wait: -0, text: 'a "name"\n世', 'sha256":"': [] }],
};
const bytes = encodeBackup(state);

test('encodeBackup, decodeBackup: every number of a state is restored', () => {
  const decoded = decodeBackup(bytes);
  expect(decoded).toEqual(state);
  expect(new Uint32Array(decoded.optimizer.slots[0]!.buffer)).toEqual(Uint32Array.of(0x7fc0_1234));
});

test('encodeBackup: writes a safetensors file whose tensors are named by their place in the state', () => {
  const { tensors, metadata } = decodeSafetensors(bytes);
  expect([...tensors.keys()]).toEqual(['weights/0', 'weights/1', 'optimizer/slots/0', 'totals']);
  expect(metadata).toMatchObject({ format: 'tilegrad backup', version: '2' });
});

const expectRefused = (changed: Uint8Array, says: RegExp) => {
  expect(() => decodeBackup(changed, 'b.safetensors')).toThrow(DataError);
  expect(() => decodeBackup(changed, 'b.safetensors')).toThrow(says);
};

test('decodeBackup: throws for a file truncated at any byte', () => {
  for (let length = 0; length < bytes.length; length += 13)
    expectRefused(bytes.slice(0, length), /b\.safetensors is cut short/);
});

test('decodeBackup: throws for a file with any byte changed', () => {
  for (let i = 0; i < bytes.length; i++) {
    const changed = bytes.slice();
    changed[i]! ^= 1 << (i % 8);
    expect(() => decodeBackup(changed), `byte ${i}`).toThrow(DataError);
  }
  const changed = bytes.slice();
  changed[bytes.length - 1]! ^= 1;
  expectRefused(changed, /b\.safetensors is damaged/);
});

test('decodeBackup: throws for other files', () => {
  const { tensors, metadata } = decodeSafetensors(bytes);
  expectRefused(encodeSafetensors(tensors, { ...metadata, version: '1' }), /is of version "1".* reads version 2/);
  expectRefused(
    encodeSafetensors(tensors, { format: 'tilegrad', version: '1' }),
    /not a backup of a training.*"tilegrad"/,
  );
  expectRefused(encodeSafetensors(tensors), /not a backup of a training/);
  const { sha256: _, ...unsigned } = metadata;
  expectRefused(encodeSafetensors(tensors, unsigned), /damaged/);
  expectRefused(new TextEncoder().encode('a text that is no such file'), /header/);
});

test('decodeBackup: throws for an invalid state with a valid checksum', () => {
  const withChecksum = (json: string) => {
    const unsigned = encodeUnchecked([], {
      format: 'tilegrad backup',
      version: '2',
      sha256: '0'.repeat(64),
      state: json,
    });
    const sum = createHash('sha256').update(unsigned).digest('hex');
    return Uint8Array.from(
      Buffer.from(Buffer.from(unsigned).toString('latin1').replace('0'.repeat(64), sum), 'latin1'),
    );
  };
  expect(decodeBackup(withChecksum('{}'))).toEqual({});
  expectRefused(
    withChecksum('{"a":{"$tensor":"weights/0"}}'),
    /refers to the tensor weights\/0, which it does not have/,
  );
  expectRefused(withChecksum('['.repeat(5000) + ']'.repeat(5000)), /nested more than 200 levels deep/);
  expectRefused(withChecksum('{'), /its state is not JSON/);
});

test.each<[what: string, remembered: unknown, says: RegExp]>([
  ['a function', { f: () => 3 }, /callbacks\/0\/f must be numbers, text/],
  ['a map', { f: new Map() }, /callbacks\/0\/f must be/],
  ['floats of 64 bits', { list: [Float64Array.of(1)] }, /callbacks\/0\/list\/0 must be/],
  ['a reserved key', { a: { $tensor: 'b' } }, /callbacks\/0\/a has the key \$tensor/],
])("encodeBackup: throws for %s in a callback's state", (_, remembered, says) => {
  const encode = () => encodeBackup({ ...state, callbacks: [remembered as Record<string, StateValue>] });
  expect(encode).toThrow(ArgumentError);
  expect(encode).toThrow(says);
});
