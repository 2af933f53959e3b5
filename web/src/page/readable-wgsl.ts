/** Removes comments and spaces, as the build does. */
const strip = (line: string) => line.replace(/\/\/.*/, '').replace(/\s/g, '');

/**
 * Restores the comments and spaces of a kernel's source files. The build removes them line by line, and marks the beginning of each file.
 * Lines that the library generated or changed stay as they are.
 * @param load returns the text of the shader <name>.wgsl
 */
export async function readableWgsl(wgsl: string, load: (name: string) => Promise<string>): Promise<string> {
  const lines = wgsl.split('\n');
  const marks = lines.flatMap((line, first) => {
    const name = /\/\/@(\w+)$/.exec(line)?.[1];
    return name ? [{ name, first }] : [];
  });
  const texts = await Promise.all(marks.map(({ name }) => load(name)));
  for (const [i, { first }] of marks.entries()) {
    const [head = '', ...rest] = texts[i]!.replace(/\n$/, '').split('\n');
    lines[first] = lines[first]!.replace(/\/\/@\w+$/, (_, at) => (at > 0 ? '\n' : '') + head);
    for (const [k, line] of rest.entries()) {
      const index = first + 1 + k;
      if (strip(lines[index] ?? '') === strip(line)) lines[index] = line;
    }
  }
  return lines.join('\n');
}
