import { ArgumentError } from '../base/errors.ts';
import type { Device } from '../gpu/device.ts';
import type { AdapterInfo } from '../gpu/info.ts';
import { choiceKey, type ProblemSizes } from '../gpu/kernel-selection.ts';
import { withOrigin } from '../gpu/origin.ts';

/** Families of adapters that may prefer different kernels. */
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

/** Preferences of an adapter family, used as long as the tuner has measured nothing on this machine. */
interface Rule {
  /** Preferred variants of an operator that are tried before the others, in the operator's order. */
  first: readonly string[];
  /** Preferred variants that are tried after the others. */
  last: readonly string[];
  /** Whether the rule is based on measurements; else only on knowledge of such hardware. */
  measured: boolean;
}

/**
 * A GPU shares tiles through workgroup memory, and a convolution that is a matrix product computes no pixel positions. Not measured on
 * a GPU, so the minute that `tilegrad tune` takes is worth it there.
 */
const GPU: Rule = { first: ['matmul', 'blocks128', 'blocks64', 'workgroup', 'gemmTiled'], last: [], measured: false };
/** On a CPU, workgroup memory is ordinary memory, and a barrier costs more than it saves. */
const CPU: Rule = { first: [], last: ['workgroup', 'gemmTiled'], measured: false };

const RULES: Record<AdapterFamily, Rule> = {
  // The operators' own preferences are the fastest ones measured there.
  lavapipe: { ...CPU, measured: true },
  swiftshader: CPU,
  software: CPU,
  nvidia: GPU,
  amd: GPU,
  intel: GPU,
  apple: GPU,
  qualcomm: GPU,
  // Mali has no separate workgroup memory: it is ordinary memory behind the same cache.
  arm: CPU,
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

/** Whether the rule for this adapter is based on measurements of such adapters. */
export const areRulesMeasured = (info: AdapterInfo): boolean => RULES[familyOf(info)].measured;

/** The variants to choose from: see `chooseVariant`. */
interface VariantOptions<V extends string> {
  variants: readonly V[];
  preferred?: readonly V[];
  supports: (variant: V) => boolean;
  requested?: V | undefined;
}

/**
 * The variant to run: the requested one, else the fastest one that the tuner measured for this operator and these sizes, else the choice
 * of the rule for this adapter family. The sizes are those of one replica, so its bits do not depend on the number of replicas.
 *
 * @param options.variants the reference first, which supports everything
 * @param options.preferred variants to use if nothing was measured, the best first; if none supports the sizes, the reference is used.
 *   Default: all variants but the reference. The rule for the adapter family may move some to the front or to the end.
 * @throws ArgumentError if the requested variant does not support the sizes, so that a test never tests another variant
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
    throw new ArgumentError(`${operator}: the variant ${requested} does not support this adapter or shape`);
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

/** Runs `body` with the result of `chooseVariant`, and records it as the origin of the dispatches (see `Origin`). @throws ArgumentError as `chooseVariant` */
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
