import * as tg from '../../src/node.ts';

/** Calls to skip: they download, open a device, or read and write files (3 is a file descriptor), whatever they are given. */
const ACTIVE = /^(openDevice|fetchDataset|datasetStatus|load[A-Z]\w+|save[A-Z]\w+)$/;
/** Wrong arguments: none, a number, unknown options or options of another type, an extra argument, an array, a layer in place of another value. */
const WRONG_ARGUMENTS: readonly (readonly unknown[])[] = [
  [],
  [3],
  [{ nonsense: 1 }],
  [{ name: 3 }],
  [{ trainable: 3 }],
  [{}, 3],
  [[1, 2]],
  [new tg.Dense({ units: 1 })],
  [Promise.resolve()],
];

class Own extends tg.Layer {
  readonly kind = 'Own';
  plan() {
    return { outputShape: [Number.NaN], weights: [] };
  }
  call(x: tg.Tensor) {
    return x;
  }
}

/** Calls whose messages name classes beyond their constructors. */
const calls: Record<string, () => unknown> = {
  'a window of 0': () => new tg.MaxPooling2D({ poolSize: 0 }),
  'a mean over a window of 0': () => new tg.AveragePooling2D({ poolSize: 0 }),
  'a layer without options': () => new Own(3 as never),
  'an invalid plan': () => new Own().apply(tg.input([2])),
  'a sum of one': () => new tg.Add().apply(tg.input([2])),
  'two layers of one name': () => new tg.Sequential([1, 2].map(() => new tg.Flatten({ name: 'a', inputShape: [2] }))),
  'an input that is not connected': () =>
    new tg.Model({ inputs: tg.input([2]), outputs: new tg.Flatten().apply(tg.input([2])) }),
  'a list of inputs': () => new tg.Model({ inputs: [tg.input([2])] as never, outputs: tg.input([2]) }),
  'a value that is not computed yet': () => tg.tensor(tg.input([2]) as never, [1], [1]),
  'a model for a device': () => tg.tensor(new tg.Sequential([new tg.Flatten({ inputShape: [2] })]) as never, [1], [1]),
  'a model that is not built': () => new tg.Sequential([new tg.Flatten({ inputShape: [2] })]).weights,
  'a model that is not compiled': () => new tg.Sequential([new tg.Flatten({ inputShape: [2] })]).training,
};

/** Names of errors, by name and in text, and of callbacks in backups. */
function names(): [string, string][] {
  const all = Object.entries(tg) as [string, unknown][];
  const errors = all.filter(([, one]) => (one as { prototype?: unknown }).prototype instanceof Error) as [
    string,
    new (message: string) => Error,
  ][];
  const callbacks = { a: new tg.EarlyStopping(), b: new tg.ReduceLROnPlateau(), c: new tg.TerminateOnNaN() };
  return [
    ...errors.map(([name, Kind]): [string, string] => [name, `${new Kind('it')} ${new Kind('it').name}`]),
    ...Object.values(callbacks).map((one): [string, string] => ['callback', Object.prototype.toString.call(one)]),
  ];
}

/** Names and messages of the typed errors that each export throws for wrong arguments, by call. */
export async function typedErrors(): Promise<[call: string, says: string][]> {
  const found = names();
  const attempt = async (label: string, call: () => unknown) => {
    try {
      await call();
    } catch (error) {
      if (error instanceof tg.TilegradError) found.push([label, `${error.name}: ${error.message}`]);
    }
  };
  for (const [name, exported] of Object.entries(tg)) {
    if (typeof exported !== 'function' || ACTIVE.test(name)) continue;
    for (const [i, given] of WRONG_ARGUMENTS.entries()) {
      await attempt(`${name} ${i}`, () =>
        /^[A-Z]/.test(name)
          ? Reflect.construct(exported as new () => unknown, given)
          : (exported as (...given: readonly unknown[]) => unknown)(...given),
      );
    }
  }
  for (const [label, call] of Object.entries(calls)) await attempt(label, call);
  return found.sort(([a], [b]) => (a < b ? -1 : Number(a > b))); // bundlers change the order of exports
}
