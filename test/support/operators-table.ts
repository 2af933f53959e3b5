import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { conv2dVariants } from '../../src/kernels/conv2d/conv2d.ts';
import { depthwiseVariants } from '../../src/kernels/depthwise/depthwise.ts';
import { matmulVariants } from '../../src/kernels/matmul/matmul.ts';
import { batchNormVariants } from '../../src/kernels/norm/batch-norm.ts';
import { reduceVariants } from '../../src/kernels/reduce/reduce-variants.ts';
import { softmaxVariants } from '../../src/kernels/softmax/softmax.ts';
import { goldenOperators, goldenVectors } from '../golden/vectors.ts';
import type { OperatorName } from '../reference/index.ts';
import { shaderNames } from './shader-files.ts';
import { withoutGradient } from './without-gradient.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const TABLE = `${root}docs/OPERATORS.md`;

/** Observations of an operator while it was compared with its reference. */
export interface Measured {
  /** Names of the kernels that ran, forward and backward. */
  kernels: ReadonlySet<string>;
  cases: number;
  /** Largest error, relative to the terms that were added up. */
  worst: number;
}

const text = (path: string): string => readFileSync(root + path, 'utf8');

/** The file that holds an operator's float64 reference, as test/reference/index.ts imports it. */
function referenceFile(operator: string): string {
  const index = text('test/reference/index.ts');
  // `add: binary('add')` stands where `binary` comes from.
  const maker = new RegExp(`^ {2}${operator}: (\\w+)\\(`, 'm').exec(index)?.[1] ?? operator;
  for (const [, names, file] of index.matchAll(/import \{([^}]*)\} from '\.\/([^']+)'/g)) {
    if (names!.split(',').some((name) => name.trim() === maker)) return `test/reference/${file}`;
  }
  return 'test/reference/index.ts';
}

/** Kernels that the tape itself runs, for any operator. */
const TAPE = ['accumulate', 'fill'];
const code = (names: Iterable<string>): string => [...names].map((name) => `\`${name}\``).join(', ');

/** Implementations to choose from, the reference first: test/kernels checks each. */
const VARIANTS: Partial<Record<string, readonly string[]>> = {
  ...{ conv2d: conv2dVariants, depthwiseConv2d: depthwiseVariants, linear: matmulVariants, matmul: matmulVariants },
  batchNorm: batchNormVariants,
  ...{ softmax: softmaxVariants, logSoftmax: softmaxVariants, softmaxCrossEntropy: softmaxVariants },
  ...{ sum: reduceVariants, mean: reduceVariants, variance: reduceVariants, max: reduceVariants, min: reduceVariants },
};

/** Which inputs get a gradient, as PyTorch's vectors have it too. */
function gradient(operator: string): string {
  const { inputs = [], grads = [] } = goldenOperators.includes(operator) ? goldenVectors(operator)[0]! : {};
  const constant = inputs.flatMap(({ dtype }, k) => (dtype !== 'u32' && grads[k] === null ? [k + 1] : []));
  return constant.length ? `every f32 input but number ${constant.join(', ')}` : 'every f32 input';
}

function row(operator: string, { kernels, cases, worst }: Measured): string {
  const names = [...kernels].filter((name) => !TAPE.includes(name)).sort();
  const files = names.map((name) => (shaderNames.includes(name) ? `${name}.wgsl` : name));
  const vectors = goldenOperators.includes(operator) ? goldenVectors(operator).length : 0;
  const cells = [
    code([operator]),
    code(files) || 'none (no copy)',
    gradient(operator),
    code([referenceFile(operator)]),
    'yes',
    vectors ? `${vectors}` : 'no',
    VARIANTS[operator]?.join(', ') ?? 'one',
    `${cases}`,
    worst === 0 ? '0' : worst.toExponential(1),
  ];
  return `| ${cells.join(' | ')} |`;
}

function rowWithoutGradient(operator: string): string {
  const vectors = goldenOperators.includes(operator) ? `${goldenVectors(operator).length}` : 'no';
  return `| ${code([operator])} | ${vectors} |`;
}

/** Writes docs/OPERATORS.md. */
export function writeOperatorsTable(measured: Record<OperatorName, Measured>, adapter: string): void {
  const names = Object.keys(measured).sort() as OperatorName[];
  const lines = [
    '# Operators',
    '',
    '<!-- Written by `npm run docs:operators`. Do not edit. -->',
    '',
    `${names.length} differentiable operators and ${Object.keys(withoutGradient).length} without a gradient. Measured on: ${adapter}.`,
    '',
    '- Kernels: the files in `shaders/` that ran, forward and backward, on that adapter; names without `.wgsl` are texts that',
    '  `src/kernels` makes: rows of `pointwise-table.ts` put into `shaders/pointwise_*.wgsl`, kernels widened to vectors (`_vec4`),',
    '  and convolutions written for their sizes (`_direct_rows`, `_strips`, `conv2d_winograd1d`).',
    '- Gradcheck: the reference against central differences in float64 (`test/reference/gradcheck.test.ts`).',
    '- Golden: calls compared with what PyTorch computed (`test/golden`, where Keras differs it is encoded).',
    '- Largest error: of forward and all gradients over the drawn cases, f32 on the adapter against the float64 reference,',
    '  relative to the size of the terms that were added up.',
    '',
    '| Operator | Kernels | Gradient | Reference | Gradcheck | Golden | Variants | Cases | Largest error |',
    '| --- | --- | --- | --- | --- | --: | --- | --: | --: |',
    ...names.map((name) => row(name, measured[name])),
    '',
    '## Without a gradient',
    '',
    '| Operator | Golden |',
    '| --- | --: |',
    ...Object.keys(withoutGradient).sort().map(rowWithoutGradient),
    '',
  ];
  mkdirSync(`${root}docs`, { recursive: true });
  writeFileSync(TABLE, lines.join('\n'));
}

/** The operators that the table in the repository lists. */
export function listedOperators(): string[] {
  return [...readFileSync(TABLE, 'utf8').matchAll(/^\| `(\w+)` \|/gm)].map(([, name]) => name!);
}
