/** Code without what the build takes out. */
const bare = (line: string) => line.replace(/\/\/.*/, '').replace(/\s/g, '');

/**
 * A kernel's text with the comments and spaces of its sources. The build takes them out, line by line, and marks where the text of a file
 * begins; what the library writes itself or changed stays as it is.
 * @param load the text of the shader <name>.wgsl
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
      const at = first + 1 + k;
      if (bare(lines[at] ?? '') === bare(line)) lines[at] = line;
    }
  }
  return lines.join('\n');
}
