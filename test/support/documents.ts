import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

// Blocks of code in Markdown documents. HTML comments next to them specify how tests run them:
//
//   <!-- before            <!-- after               <!-- continues -->          <!-- not run: a reason -->
//   code before it -->     code, with `assert` -->  continues the block above   output, other programs

export const root = fileURLToPath(new URL('../..', import.meta.url));

/** Every Markdown file of the repository that git does not ignore. */
export const documents = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard', '*.md'], {
  cwd: root,
  encoding: 'utf8',
})
  .trim()
  .split('\n');

export const readDocument = (path: string): string => readFileSync(join(root, path), 'utf8');

export interface Block {
  /** Document, line and heading. */
  place: string;
  language: string;
  code: string;
  before: string;
  after: string;
  /** Whether it runs in one program with the block above. */
  continues: boolean;
  /** Why it is not run; null if it is run. */
  reason?: string;
}

const TOKEN = /<!--([\s\S]*?)-->|^( *)(`{3,}|~{3,})(\w*)[^\n]*\n([\s\S]*?)^\2\3 *$/gm;
/** Fences in quotes or after tabs, indented and quoted code, and HTML, which GitHub also shows as code. */
const UNFENCED =
  /^[ \t>]*(```|~~~)|(?<![\s\S])( {4,}|\t)\S|\n[ \t]*\n( {4,}| {0,3}\t)\S|^ {0,3}> {5,}\S|<pre\b|<code\b[^<]*\n/im;
const NOTE = /^\s*(before|after|continues|not run:)\s*([\s\S]*?)\s*$/;

/** @throws Error for a comment that belongs to no block, and for code that is not in a closed fence */
export function blocksOf(path: string, text = readDocument(path)): Block[] {
  const blocks: Block[] = [];
  let notes: Record<string, string> = {};
  let end = 0;
  for (const { index, 0: token, 1: comment, 4: language, 5: code } of text.matchAll(TOKEN)) {
    const line = text.slice(0, index).split('\n').length;
    const isBeside = text.slice(end, index).trim() === '';
    const [, kind, note] = NOTE.exec(comment ?? '') ?? [];
    if (comment !== undefined && kind === undefined) continue; // an ordinary comment
    if (!isBeside && Object.keys(notes).length > 0) throw new Error(`${path}:${line}: the comment above has no block`);
    if (kind === 'after') {
      if (!isBeside || !blocks.length) throw new Error(`${path}:${line}: \`after\` must follow its block`);
      blocks.at(-1)!.after += note;
    } else if (kind !== undefined) {
      if (kind === 'not run:' && note === '') throw new Error(`${path}:${line}: \`not run\` needs a reason`);
      notes[kind] = note!;
    } else {
      const heading =
        [
          ...text
            .slice(0, index)
            .replace(TOKEN, '')
            .matchAll(/^#+ (.*)$/gm),
        ].at(-1)?.[1] ?? '';
      blocks.push({
        place: `${path}:${line} (${heading})`,
        language: language!,
        code: code!,
        before: notes.before ?? '',
        after: '',
        continues: 'continues' in notes,
        reason: notes['not run:'],
      });
      notes = {};
    }
    end = index + token.length;
  }
  if (Object.keys(notes).length > 0) throw new Error(`${path}: the last comment has no block`);
  const rest = text.replace(TOKEN, '');
  if (UNFENCED.test(rest)) throw new Error(`${path}: code outside of a closed fence`);
  return blocks;
}

/**
 * Programs of the blocks of a document that are JavaScript or TypeScript. One that imports from tilegrad runs as it is; others have the names
 * of `tilegrad/node` and `tilegrad/report`, and a `device` if they use one. `printed` holds what the program printed.
 */
export function programsOf(path: string, text = readDocument(path)): { place: string; code: string }[] {
  const programs: Block[][] = [];
  for (const block of blocksOf(path, text)) {
    if (block.reason !== undefined || !/^(js|ts|javascript|typescript)$/.test(block.language)) continue;
    if (!block.continues) programs.push([block]);
    else if (programs.length) programs.at(-1)!.push(block);
    else throw new Error(`${block.place}: there is no block above to continue`);
  }
  return programs.map((blocks) => {
    const code = blocks.map(({ before, code, after }) => `${before}\n${code}\n${after}`).join('\n');
    const isWhole = blocks.some((block) => /\bfrom 'tilegrad/.test(block.code));
    const usesDevice = !isWhole && /\bdevice\b/.test(code);
    return {
      place: blocks.map(({ place }) => place).join(' and '),
      code: `import assert from 'node:assert/strict';
        import { format } from 'node:util';
        ${isWhole ? '' : "Object.assign(globalThis, await import('tilegrad/report'), await import('tilegrad/node'));"}
        const printed = [];
        console.log = (...values) => printed.push(format(...values));
        ${usesDevice ? 'globalThis.device = await openDevice();' : ''}
        ${code}
        ${usesDevice ? 'device.dispose();' : ''}`,
    };
  });
}

/** Command lines of a document: those of its shell blocks, and in running text code that begins like one. */
export function commandsOf(path: string): string[] {
  const shells = blocksOf(path).filter(({ language, reason }) => /^(sh|bash)$/.test(language) && reason === undefined);
  const lines = shells.flatMap(({ code }) => code.split('\n'));
  const prose = readDocument(path).replace(TOKEN, '');
  const spans = [...prose.matchAll(/`([^`]+)`/g)].map(([, span]) => span!.replaceAll(/\s+/g, ' '));
  return [...lines, ...spans.filter((span) => /^(npm|npx|node|tilegrad) \S/.test(span))]
    .map((line) => line.replace(/(^|\s+)#.*$/, '').trim())
    .filter((line) => line !== '');
}
