import { ArgumentError } from '../base/errors.ts';
import type { Device } from '../gpu/device.ts';
import type { AdapterInfo } from '../gpu/info.ts';
import { choiceKey, type ProblemSizes } from '../gpu/kernel-selection.ts';
import { withOrigin } from '../gpu/origin.ts';

/** Kinds of adapters that may prefer different kernels. */
export type AdapterFamily =
  | 'lavapipe'
  | 'swiftshader'
  | 'software'
  | 'nvidia'
  | 'amd'
  | 'intel'
  | 'apple'
  | 'qualcomm'
  | 'arm'
  | 'other';

/** What is known of an adapter family before anything was measured on the machine at hand. */
interface Rule {
  /** Of the variants that an operator prefers to its reference, those to try before the others, in the operator's order. */
  first: readonly string[];
  /** Those to try after the others. */
  last: readonly string[];
  /** Whether figures stand behind it, or only what is known of such hardware. */
  measured: boolean;
}

/**
 * A GPU shares tiles through workgroup memory, and a convolution that is a matrix product need not find its pixels; nothing of it
 * was measured on one, so `tilegrad tune` is worth its minute there.
 */
const GPU: Rule = { first: ['matmul', 'workgroup'], last: [], measured: false };
/** On a processor, workgroup memory is memory like any other, and a barrier costs more than it saves. */
const PROCESSOR: Rule = { first: [], last: ['workgroup'], measured: false };

const RULES: Record<AdapterFamily, Rule> = {
  // The operators' own preferences are what was fastest there.
  lavapipe: { ...PROCESSOR, measured: true },
  swiftshader: PROCESSOR,
  software: PROCESSOR,
  nvidia: GPU,
  amd: GPU,
  intel: GPU,
  apple: GPU,
  qualcomm: GPU,
  // Mali has no workgroup memory of its own: it is ordinary memory behind the same cache.
  arm: PROCESSOR,
  other: GPU,
};

export function familyOf(info: AdapterInfo): AdapterFamily {
  const text = `${info.vendor} ${info.name} ${info.driver} ${info.architecture}`.toLowerCase();
  if (/llvmpipe|lavapipe/.test(text)) return 'lavapipe';
  if (/swiftshader/.test(text)) return 'swiftshader';
  if (info.isSoftware) return 'software';
  if (/nvidia|geforce|0x10de/.test(text)) return 'nvidia';
  if (/\bamd\b|radeon|radv|0x1002/.test(text)) return 'amd';
  if (/intel|0x8086/.test(text)) return 'intel';
  if (/apple|metal/.test(text)) return 'apple';
  if (/qualcomm|adreno/.test(text)) return 'qualcomm';
  if (/\barm\b|mali/.test(text)) return 'arm';
  return 'other';
}

/** Variants in the order in which an adapter of this family should try them. */
export function orderFor<V extends string>(family: AdapterFamily, preferred: readonly V[]): V[] {
  const { first, last } = RULES[family];
  const rank = (variant: string) => (first.includes(variant) ? -1 : last.includes(variant) ? 1 : 0);
  return [...preferred].sort((a, b) => rank(a) - rank(b));
}

/** Whether the rule for this adapter rests on measurements made on such adapters. */
export const areRulesMeasured = (info: AdapterInfo): boolean => RULES[familyOf(info)].measured;

/** What there is to choose from: see `chooseVariant`. */
interface VariantOptions<V extends string> {
  variants: readonly V[];
  preferred?: readonly V[];
  supports: (variant: V) => boolean;
  requested?: V | undefined;
}

/**
 * The variant to run: the one asked for, else the one the tuner measured for this operator and these sizes, else by rule for
 * this kind of adapter. The sizes are those of one replica, so that a replica's bits do not depend on how many train together.
 *
 * @param options.variants the reference first, which always serves
 * @param options.preferred those to take without measurement at these sizes, the best first; else the reference. By default all
 *   others, in their order. The rule for the kind of adapter may move some to the front or to the end.
 * @throws ArgumentError when one was asked for that cannot: a test must not test another
 */
export function chooseVariant<V extends string>(
  device: Device,
  operator: string,
  sizes: ProblemSizes,
  options: VariantOptions<V>,
): V {
  const { variants, preferred = variants.slice(1), supports, requested } = options;
  if (requested !== undefined) {
    if (supports(requested)) return requested;
    throw new ArgumentError(`${operator}: the variant ${requested} does not serve this adapter or shape`);
  }
  const key = choiceKey(operator, sizes);
  const usable = (variant: string | undefined): variant is V =>
    variants.includes(variant as V) && supports(variant as V);
  const measured = device.choices.tuned.get(key);
  const variant = usable(measured)
    ? measured
    : (orderFor(familyOf(device.info), preferred).find(supports) ?? variants[0]!);
  device.choices.used.set(key, { operator, sizes, variant });
  return variant;
}

/** Runs `body` with the variant that `chooseVariant` gives. What it dispatches says so (see `Origin`). @throws ArgumentError as it does */
export function withVariant<V extends string, T>(
  device: Device,
  operator: string,
  sizes: ProblemSizes,
  options: VariantOptions<V>,
  body: (variant: V) => T,
): T {
  const variant = chooseVariant(device, operator, sizes, options);
  const choices = [...device.origin.choices, { operator, sizes, variant }];
  return withOrigin(device, { choices }, () => body(variant));
}
