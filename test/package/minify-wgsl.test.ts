import { expect, test } from 'vitest';
import { minifyWgsl } from '../../scripts/minify-wgsl.mjs';
import { gridPartSource } from '../../src/gpu/cut-grid.ts';
import { writtenBindings } from '../../src/gpu/pipelines.ts';
import { shaderNames, shaderText } from '../support/shader-files.ts';

/** Tokens of the WGSL specification, longest first (section 3), with template brackets as operators; each with its line. */
const TOKEN = new RegExp(
  [
    String.raw`(?<blank>[ \t\r\n]+|//[^\n]*)`,
    String.raw`0[xX][\da-fA-F]*\.?[\da-fA-F]*(?:[pP][+-]?\d+[fh]?)?[iu]?`,
    String.raw`(?:\d+\.\d*|\.\d+|\d+)(?:[eE][+-]?\d+)?[fhiu]?`,
    String.raw`[\p{XID_Start}_][\p{XID_Continue}]*`,
    String.raw`>>=|<<=|->|&&|\|\||==|!=|<=|>=|<<|>>|\+\+|--|[-+*/%&|^]=|[-+*/%&|^!=<>~.,:;@(){}[\]]`,
  ].join('|'),
  'uy',
);

/** `line:token` of each token. @throws Error for text that is not a token */
function tokens(text: string): string[] {
  const found: string[] = [];
  let line = 1;
  for (let index = 0; index < text.length; ) {
    TOKEN.lastIndex = index;
    const match = TOKEN.exec(text);
    if (!match) throw new Error(`no token at ${text.slice(index, index + 20)}`);
    if (!match.groups!.blank) found.push(`${line}:${match[0]}`);
    line += match[0].split('\n').length - 1;
    index += match[0].length;
  }
  return found;
}

test.each(shaderNames)('%s: the same tokens on the same lines in fewer characters', (name) => {
  const text = shaderText(name);
  const short = minifyWgsl(text);
  expect(tokens(short)).toEqual(tokens(text));
  expect(short).not.toMatch(/\/\/|\/\*|^[ \t]|[ \t]$|[ \t]{2}/m);
  expect(minifyWgsl(short)).toBe(short);
});

test('minifyWgsl: keeps spaces without which two tokens would become one', () => {
  expect(minifyWgsl('let a = b - -c;\nx = i < -j && p > = q;')).toBe('let a=b- -c;\nx=i< -j&&p> =q;');
  expect(minifyWgsl('array<vec4<f32>> = v')).toBe('array<vec4<f32>> =v');
  expect(minifyWgsl('return 1.0 ; // one\n  /* two\n lines */ fn f ( )')).toBe('return 1.0;\n\nfn f()');
  expect(minifyWgsl('a /* b */ c')).toBe('a c');
});

test.each(shaderNames)('%s: writtenBindings and gridPartSource accept the minified source', (name) => {
  const text = shaderText(name);
  const short = minifyWgsl(text);
  expect(writtenBindings(short)).toEqual(writtenBindings(text));
  const [part, shortPart] = [text, short].map((code) => gridPartSource({ name, code }, 9));
  expect(shortPart === null).toBe(part === null);
  if (part && shortPart) expect(tokens(shortPart.code)).toEqual(tokens(part.code));
});
