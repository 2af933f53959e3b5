/** Types of floats in the kernels. */
const FLOAT = '(?:f32|vec[234]f|Value|Operand)\\b';
/** Functions whose result is never a float. */
const INTEGERS =
  /\b(?:u32|i32|vec[234][iu]|Index|Signed|Truth|bitcast<(?:u32|i32|vec[234][iu]|Index|Signed)>|is_\w+|are_numbers)\(/;
const COMPARISON = / (?:<=|>=|==|!=|<|>) /;
/** Functions that choose among floats as comparisons do. */
const CHOICE = /\b(?:max|min|clamp|sign|step|smoothstep|saturate)\(/g;

/** Index after the bracket that closes the one at `open`. */
function closing(text: string, open: number): number {
  let depth = 0;
  for (let i = open; i < text.length; i++) {
    if ('(['.includes(text[i]!)) depth++;
    else if (')]'.includes(text[i]!) && --depth === 0) return i + 1;
  }
  return text.length;
}

/** Removes parts of an expression that do not determine its type: indices, and arguments of functions that return integers. */
function bare(expression: string): string {
  for (let text = expression; ; ) {
    const found = /\[/.exec(text) ?? INTEGERS.exec(text);
    if (!found) return text;
    const end = closing(text, found.index + found[0].length - 1);
    text = text.slice(0, found.index) + (found[0] === '[' ? '' : '0u') + text.slice(end);
  }
}

/** Whether an expression is a float, given the names of floats. */
function isFloat(expression: string, names: ReadonlySet<string>): boolean {
  const kept = bare(expression);
  if (/\b\d+u\b/.test(kept)) return false;
  return (
    /\d\.\d|\b(?:f32|vec[234]f|Value)\(/.test(kept) ||
    (kept.match(/\.?\b[a-z]\w*/gi) ?? []).some((name) => names.has(name))
  );
}

/** Names that are declared as floats (fields of structures with a dot before them) or initialized with one. */
function floatNames(text: string, outside: ReadonlySet<string> = new Set()): Set<string> {
  const names = new Set(outside);
  const addDeclared = (part: string, dot: string) => {
    for (const [, name] of part.matchAll(new RegExp(`(\\w+): (?:ptr<function, |array<)?${FLOAT}`, 'g')))
      names.add(dot + name!);
  };
  for (const [structure] of text.matchAll(/struct \w+ \{[^}]*\}/g)) addDeclared(structure, '.');
  addDeclared(text.replace(/struct \w+ \{[^}]*\}/g, ''), '');
  for (const [, name] of text.matchAll(new RegExp(`fn (\\w+)\\([^)]*\\) -> ${FLOAT}`, 'g'))) names.add(name!);
  for (const [, name, value] of text.matchAll(/\b(?:let|var) (\w+) = ([^;]*);/g)) {
    if (!COMPARISON.test(bare(value!)) && isFloat(value!, names)) names.add(name!);
  }
  return names;
}

/**
 * Lines of WGSL text that compare floats, or select one by max, min and the like. Types of variables without a declared type are inferred
 * from their values, as far as that is possible without a compiler.
 */
export function floatDecisions(code: string): string[] {
  const [outside = '', ...functions] = `\n${code.replace(/\/\/.*$/gm, '')}`.split(/^(?=fn )/m);
  const signatures = functions.map((text) => text.slice(0, text.indexOf('{')));
  const globals = floatNames(outside);
  for (const signature of signatures) {
    const name = new RegExp(`^fn (\\w+)\\(.*\\) -> ${FLOAT}`, 's').exec(signature);
    if (name) globals.add(name[1]!);
  }
  return functions.flatMap((text) => {
    const names = floatNames(text, globals);
    const decides = (line: string) => {
      const parts = bare(line).split(COMPARISON);
      // The operands of a comparison end at the nearest logic, bracket or comma.
      const compares = parts.slice(1).some((right, i) => {
        const operands = [parts[i]!.split(/&&|\|\||[&|,;=({]/).at(-1)!, right.split(/&&|\|\||[&|,;){]/)[0]!];
        return operands.some((operand) => isFloat(operand, names));
      });
      const chooses = [...line.matchAll(CHOICE)].some(({ index, 0: call }) =>
        isFloat(line.slice(index + call.length, closing(line, index + call.length - 1) - 1), names),
      );
      return compares || chooses;
    };
    return text
      .split('\n')
      .map((line) => line.trim())
      .filter(decides);
  });
}
