import reluCode from '../../shaders/epilogue_relu.wgsl';
import floatBitsCode from '../../shaders/float_bits.wgsl';
import lanesCode from '../../shaders/probe/probe_lanes.wgsl';
import numbersCode from '../../shaders/probe/probe_numbers.wgsl';

/** Result of a check of an adapter: `ok` or `wrong` for the kernels' needs; `unknown` if the check did not run. */
export type Finding = 'ok' | 'wrong' | 'unknown';
/** Result of a subgroup check; `unused` if the adapter has no subgroups of eight lanes or more. */
export type SubgroupFinding = Finding | 'unused';

/** Results of the checks when a device is opened: behavior that WebGPU leaves open or drivers get wrong. Plain data. */
export interface Probe {
  /** Whether the lanes of a subgroup are in the order of the workgroup's invocations: lane mod 8 = local index mod 8. */
  lanes: SubgroupFinding;
  /** Whether shuffles return the value of the lane they name. Kernels with subgroups run only if `lanes` and `shuffles` are ok. */
  shuffles: SubgroupFinding;
  /** Whether NaN stays NaN in the ReLU of fused kernels. If not, the losses of a diverged training may look healthy. */
  nanInRelu: Finding;
  /** Whether NaN is neither above 0 nor at most 0, as IEEE 754 says. Kernels compare bits instead if NaN matters. */
  nanAgainstZero: Finding;
  /** Whether NaN is unequal to itself, as IEEE 754 says. Lavapipe evaluates `x != x` to false; no kernel uses it. */
  nanAgainstItself: Finding;
  /** Whether quotients and remainders of 32-bit integers are right. Kernels compute the indices of elements with them. */
  division: Finding;
  /** Whether numbers below the smallest normal one, 1.2e-38, are kept or flushed to 0. WebGPU allows both. */
  denormals: 'kept' | 'flushed' | 'unknown';
  /** Descriptions of what was wrong or did not run, with the adapter's messages if there are any. */
  notes: string[];
}

/** A kernel whose output shows a property of the adapter. */
export interface Question {
  name: string;
  code: string;
  constants?: Record<string, number>;
  /** Input array, bound before the output; optional. */
  input?: Uint32Array<ArrayBuffer>;
  /** Number of 32-bit words of the output. */
  words: number;
}

/** Output of a question, or the error if there is none. */
export type Answer = Uint32Array | Error;

const float = (value: number): number => new Uint32Array(new Float32Array([value]).buffer)[0]!;

/** Dividends and divisors: some near 2^32, for which a driver for Apple silicon is known to be wrong by one. */
const DIVISIONS: readonly (readonly [number, number])[] = [
  [4294967294, 3],
  [4294967295, 3],
  [4294967295, 65537],
  [4294967291, 5],
  [4294967279, 4294967295],
  [2147483648, 7],
  [4026531841, 61],
  [3735928559, 10],
  [2863311531, 2],
  [305419896, 1000],
  [16777217, 28],
  [0, 9],
];
const NANS = [
  [0x7fc00000, float(1)],
  [0xffc00000, float(1)],
] as const;
/** A product below the smallest normal number, and a product with such a factor. */
const SMALL = [
  [float(2 ** -126), float(0.5)],
  [float(2 ** -127), float(2)],
] as const;
const PAIRS = [...DIVISIONS, ...NANS, ...SMALL];
/** Output words for a pair. */
const WORDS = 8;

export const numbersQuestion: Question = {
  name: 'probe_numbers',
  code: `alias Value = f32; alias Index = u32; alias Signed = i32; alias Truth = bool;\n${floatBitsCode}${reluCode}${numbersCode}`,
  input: Uint32Array.from(PAIRS.flat()),
  words: PAIRS.length * WORDS,
};

/** Workgroup sizes of kernels with subgroups, on an adapter whose widest subgroup has `lanes` lanes. */
const sizesFor = (lanes: number): number[] => [...new Set([32, 64, lanes])];

/** One question for each workgroup size. */
export const lanesQuestions = (lanes: number): Question[] =>
  sizesFor(lanes).map((size) => ({ name: 'probe_lanes', code: lanesCode, constants: { SIZE: size }, words: size }));

const finding = (isRight: boolean): Finding => (isRight ? 'ok' : 'wrong');
const isNaNBits = (bits: number): boolean => (bits & 0x7fffffff) > 0x7f800000;
/** Bits of NaN's comparisons in probe_numbers.wgsl: unequal to itself; mask of the comparisons with 0; their value by IEEE 754. */
const [UNEQUAL, AGAINST_ZERO, NOT_AGAINST_ZERO] = [0b0001, 0b1110, 0b1000];

/** Reads the answers to `numbersQuestion`. */
export function readNumbers(answer: Answer): Omit<Probe, 'lanes' | 'shuffles'> {
  if (answer instanceof Error) {
    return {
      ...{ nanInRelu: 'unknown', nanAgainstZero: 'unknown', nanAgainstItself: 'unknown' },
      ...{ division: 'unknown', denormals: 'unknown', notes: [`numbers were not checked: ${answer.message}`] },
    };
  }
  const rows = PAIRS.map((_, i) => [...answer.subarray(i * WORDS, (i + 1) * WORDS)]);
  const nans = rows.slice(DIVISIONS.length, -SMALL.length);
  const products = rows.slice(-SMALL.length).map((row) => row[7]!);
  const notes = DIVISIONS.flatMap(([a, b], i) => {
    const [quotient, remainder, third, rest] = rows[i]!;
    const results = [
      [b, quotient, remainder],
      [3, third, rest],
    ];
    return results
      .filter(([by, q, r]) => q !== Math.floor(a / by!) || r !== a % by!)
      .map(([by, q, r]) => `${a} divided by ${by} is ${q}, remainder ${r}, on this adapter`);
  });
  const division = finding(notes.length === 0);
  const isRight = products[0] === float(2 ** -127) && products[1] === float(2 ** -126);
  return {
    nanInRelu: finding(nans.every((row) => isNaNBits(row[4]!) && isNaNBits(row[5]!))),
    nanAgainstZero: finding(nans.every((row) => (row[6]! & AGAINST_ZERO) === NOT_AGAINST_ZERO)),
    nanAgainstItself: finding(nans.every((row) => (row[6]! & UNEQUAL) === UNEQUAL)),
    division,
    denormals: isRight ? 'kept' : products.includes(0) ? 'flushed' : 'unknown',
    notes: notes.slice(0, 1),
  };
}

/** Reads the answers to `lanesQuestions`, in their order. */
export function readLanes(answers: readonly Answer[]): Pick<Probe, 'lanes' | 'shuffles' | 'notes'> {
  const failed = answers.find((answer) => answer instanceof Error);
  if (failed) {
    return { lanes: 'unknown', shuffles: 'unknown', notes: [`subgroups were not checked: ${failed.message}`] };
  }
  const invocations = (answers as Uint32Array[]).flatMap((words) =>
    Array.from(words, (word, local) => ({ size: words.length, local, lane: word >>> 24, word: word & 0xffffff })),
  );
  const astray = invocations.find(({ local, lane }) => lane % 8 !== local % 8);
  const lost = invocations.find(({ local, word }) => word !== (((local ^ 4) << 16) | ((local ^ 2) << 8) | (local ^ 1)));
  const notes: string[] = [];
  if (astray) {
    notes.push(`invocation ${astray.local} of a workgroup of ${astray.size} has lane ${astray.lane} of its subgroup`);
  } else if (lost) {
    notes.push(
      `invocation ${lost.local} of a workgroup of ${lost.size} gets other values by shuffles than those of its neighbors`,
    );
  }
  return { lanes: finding(!astray), shuffles: finding(!lost), notes };
}

/** Lanes of the widest subgroup if all subgroups of the device have at least eight lanes; else null. */
export function widestSubgroup(device: GPUDevice, adapter: GPUAdapter): number | null {
  const { subgroupMinSize = 0, subgroupMaxSize = 0 } = device.adapterInfo ?? adapter.info ?? {};
  return device.features.has('subgroups') && subgroupMinSize >= 8 ? subgroupMaxSize : null;
}

/** Results for a device without subgroups of eight lanes. */
export const unusedSubgroups = { lanes: 'unused', shuffles: 'unused', notes: [] as string[] } as const;

/** Results for a device that was not probed. */
export const unknownProbe = (reason: string): Probe => {
  const error = new Error(reason);
  return { ...readLanes([error]), ...readNumbers(error), notes: [reason] };
};

/** Whether kernels with subgroups can run. */
export const canUseLanes = ({ lanes, shuffles }: Probe): boolean => lanes === 'ok' && shuffles === 'ok';

/** Whether a check did not run. */
export const hasUnknown = (probe: Probe): boolean => Object.values(probe).includes('unknown');
