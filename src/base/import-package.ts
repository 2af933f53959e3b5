import { MissingPackageError, TilegradError } from './errors.ts';

/** tilegrad's optional peer dependencies, with the versions to install; package.json has the same ones. */
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

/** Uses of the packages. The packages of one use need each other, so an install command names all of them. */
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
 * Loads an optional package.
 *
 *     const { create } = await importPackage('webgpu', 'openDevice in Node', () => import('webgpu'));
 *
 * @param subject what needs the package, to begin a message with
 * @param load imports the package by a literal name, for bundlers and TypeScript; may throw a TilegradError
 * @throws MissingPackageError if the package is not installed or does not load
 */
export async function importPackage<T>(name: PackageName, subject: string, load: () => T | Promise<T>): Promise<T> {
  try {
    return await load();
  } catch (cause) {
    throw packageError(name, subject, cause);
  }
}

/**
 * The error for a package that did not load. Call it directly if `import()` must be inside a `try` for bundlers: a bundler that does not
 * find the package then leaves it out instead of failing.
 */
export function packageError(name: PackageName, subject: string, cause: unknown): TilegradError {
  if (cause instanceof TilegradError) return cause;
  const how = `run \`${installLine([name])}\``;
  const message = isNotInstalled(name, cause)
    ? `${subject} needs the npm package ${name}, which is not installed; ${how}`
    : `${subject} needs the npm package ${name}, which does not load (${firstLine(cause)}); to install it again, ${how}`;
  return new MissingPackageError(message, { cause });
}

/** The npm command that installs packages, together with those that they need. */
export function installLine(names: readonly PackageName[]): string {
  const all = new Set(names.flatMap((name) => PACKAGE_USES.find((one) => one.names.includes(name))!.names));
  return `npm install ${[...all].map((name) => `${name}@${OPTIONAL_PACKAGES[name]}`).join(' ')}`;
}

/** Whether an import failed because this package is not installed; an installed package may lack one of its own modules. */
export function isNotInstalled(name: PackageName, cause: unknown): boolean {
  const message = String((cause as Error | null)?.message);
  const isResolution = /cannot find (package|module)|resolve|not a dependency|bare specifier/i.test(message);
  // The name is quoted, with or without a path; the name after "imported from" is that of the importing module.
  return (
    isResolution && [`'${name}'`, `"${name}"`, `'${name}/`, `"${name}/`].some((quoted) => message.includes(quoted))
  );
}

const firstLine = (cause: unknown): string => String((cause as Error | null)?.message ?? cause).split('\n', 1)[0]!;
