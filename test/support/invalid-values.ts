import type { Device, Tensor } from '../../src/node.ts';

/** Draws from [0, 1). */
export type Draw = () => number;

/** The error thrown by a function among the invalid values: an error of the caller, which may be passed on unchanged. */
export class CallerError extends Error {}

/** Objects on other devices, and objects without a device. */
export interface ForeignObjects {
  tensors: readonly Tensor[];
  devices: readonly Device[];
}

const throwing = (names: readonly string[]): object => {
  const thrower = {};
  for (const name of names) {
    Object.defineProperty(thrower, name, {
      enumerable: true,
      get() {
        throw new Error('a getter that throws');
      },
    });
  }
  return thrower;
};

function cyclic(): object {
  const a: Record<string, unknown> = { length: 1 };
  a.self = a;
  a[0] = a;
  return a;
}

function cyclicList(): unknown[] {
  const list: unknown[] = [1];
  list.push(list);
  return list;
}

/** A random invalid value, of all kinds. */
export function drawInvalidValue(draw: Draw, { tensors, devices }: ForeignObjects): unknown {
  const of = <T>(list: readonly T[]): T => list[Math.floor(draw() * list.length)]!;
  const makers: (() => unknown)[] = [
    () => of([undefined, null, true, false]),
    () => of([0, -0, 1, -1, 0.5, -3.7, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]),
    () => of([2 ** 31 - 1, 2 ** 31, 2 ** 32, 2 ** 53, -(2 ** 31), 1e300, 5e-324, Number.MAX_SAFE_INTEGER]),
    () => of(['', 'a', 'relu', 'adam', 'same', '0', 'NaN', '__proto__', 'constructor', 'toString', 'x'.repeat(300)]),
    () => of([Symbol('s'), Symbol.iterator, 1n, -(2n ** 70n)]),
    () =>
      of([
        () => 1,
        () => undefined,
        function named() {
          throw new CallerError('a function of the caller');
        },
        async () => 1,
        function* generated() {
          yield 1;
        },
      ]),
    () => of([[], [1], [1, 2], [-1], [0], [1.5], [Number.NaN], ['a'], [null], [[1], [2]], [[1], [2, 3]], [[]], [{}]]),
    () =>
      of([new Array(3), sparse(3, 0), sparse(2, 1), [2 ** 31, 2 ** 31], [2 ** 40], [1e5, 1e5, 1e5], [65536, 65536]]), // sparse, huge
    () => of([{}, { length: 2 }, { length: -1 }, { length: 1e12 }, { length: 'a' }, { 0: 1, length: 1 }, { a: 1 }]),
    () =>
      throwing(
        of([
          ['length'],
          ['x', 'y'],
          ['0', 'length'],
          ['shape', 'images', 'size'],
          ['inputs', 'seed', 'epochs', 'batchSize'],
          ['device', 'array', 'record'],
          ['call', 'then'],
        ]),
      ),
    () => Object.defineProperty([1, 2], 0, { get: (): never => throwError() }),
    () =>
      new Proxy(of<object>([{}, [], () => {}]), {
        get(target, name) {
          // Promises read `then` of the value they resolve to, and printing reads its tag.
          if (name === 'then' || typeof name === 'symbol') return Reflect.get(target, name);
          throw new Error('a proxy that throws');
        },
      }),
    () => new Proxy(of<object>([[1, 2], { a: 1 }, new Float32Array(2)]), {}),
    cyclic,
    cyclicList,
    () => Object.freeze(of<object>([[1, 2], { x: [1, 2], y: [1] }, {}])),
    () => Object.create(null),
    () => of([new Map(), new Set([1]), new Date(Number.NaN), /a/, new Error('e'), new WeakMap(), Promise.resolve(1)]),
    () => of([new Float32Array(2), new Uint8Array(0), new Float64Array([Number.NaN]), new BigInt64Array(2)]),
    () =>
      of([new ArrayBuffer(8), new DataView(new ArrayBuffer(8)), new Uint8Array(8), structuredClone(new Uint8Array(2))]),
    () => detachedArray(),
    () => of([Math, JSON, globalThis, new Number(1), new String('a'), new Boolean(false), Object(1n)]),
    () => of(tensors),
    () => of(devices),
  ];
  return of(makers)();
}

/** A sparse list with one element. */
function sparse(length: number, place: number): number[] {
  const list = new Array(length);
  list[place] = 1;
  return list;
}

function throwError(): never {
  throw new Error('a getter that throws');
}

/** A typed array whose memory was transferred. */
function detachedArray(): Float32Array {
  const array = new Float32Array(4);
  structuredClone(array.buffer, { transfer: [array.buffer] });
  return array;
}
