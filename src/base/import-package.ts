import { MissingPackageError, TilegradError } from './errors.ts';

/** The optional peers of tilegrad, with the versions that an install line names; package.json has the same. */
export const OPTIONAL_PACKAGES = {
  webgpu: '0.6',
  vega: '6',
  'vega-lite': '6.4',
  '@resvg/resvg-js': '2',
  '@expo-google-fonts/open-sans': '0.4',
  bullmq: '6',
  ioredis: '6',
  h5wasm: '0.10',
  sharp: '0.35',
} as const;

export type PackageName = keyof typeof OPTIONAL_PACKAGES;

/** What the packages are for. Those of one use are of no use alone: an install line names all of them. */
export const PACKAGE_USES: readonly { readonly use: string; readonly names: readonly PackageName[] }[] = [
  { use: 'training in Node', names: ['webgpu'] },
  {
    use: 'reports and figures, of `tilegrad run` and `search` too',
    names: ['vega', 'vega-lite', '@resvg/resvg-js', '@expo-google-fonts/open-sans'],
  },
  { use: "reading Keras's .h5 and .keras files", names: ['h5wasm'] },
  { use: 'reading pictures with `imageFolder`', names: ['sharp'] },
  { use: '`--workers` and `tilegrad worker`', names: ['bullmq', 'ioredis'] },
];

/**
 * Loads a package that only those install who use it.
 *
 *     const { create } = await importPackage('webgpu', 'openDevice in Node', () => import('webgpu'));
 *
 * @param subject what needs the package, to begin a message with
 * @param load imports it by a literal name, which bundlers and TypeScript see. May throw an error of tilegrad's itself
 * @throws MissingPackageError where it is not installed, or does not load
 */
export async function importPackage<T>(name: PackageName, subject: string, load: () => T | Promise<T>): Promise<T> {
  try {
    return await load();
  } catch (cause) {
    throw packageError(name, subject, cause);
  }
}

/**
 * The error for a package that did not load. Of use by itself where a bundler must see `import()` within `try`: those that do not find
 * the package then leave it out, instead of failing.
 */
export function packageError(name: PackageName, subject: string, cause: unknown): TilegradError {
  if (cause instanceof TilegradError) return cause;
  const how = `run \`${installLine([name])}\``;
  const message = isNotInstalled(name, cause)
    ? `${subject} needs the npm package ${name}, which is not installed; ${how}`
    : `${subject} needs the npm package ${name}, which does not load (${firstLine(cause)}); to install it again, ${how}`;
  return new MissingPackageError(message, { cause });
}

/** The npm command that installs packages, and those that are of use only with them. */
export function installLine(names: readonly PackageName[]): string {
  const all = new Set(names.flatMap((name) => PACKAGE_USES.find((one) => one.names.includes(name))!.names));
  return `npm install ${[...all].map((name) => `${name}@${OPTIONAL_PACKAGES[name]}`).join(' ')}`;
}

/** Whether an import failed because this package is not there: one that is there may lack a part of its own. */
export function isNotInstalled(name: PackageName, cause: unknown): boolean {
  const message = String((cause as Error | null)?.message);
  const isResolution = /cannot find (package|module)|resolve|not a dependency|bare specifier/i.test(message);
  // Quoted, with or without a path within the package; what comes after "imported from" is another's name.
  return (
    isResolution && [`'${name}'`, `"${name}"`, `'${name}/`, `"${name}/`].some((quoted) => message.includes(quoted))
  );
}

const firstLine = (cause: unknown): string => String((cause as Error | null)?.message ?? cause).split('\n', 1)[0]!;
