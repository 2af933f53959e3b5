import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import GithubSlugger from 'github-slugger';

const SKIPPED = new Set(['node_modules', 'out', 'dist']);

/** Markdown files: each path itself, or all below it. */
export function markdownFiles(paths: readonly string[]): string[] {
  return paths.flatMap((path) => {
    if (!statSync(path).isDirectory()) return [path];
    const below = readdirSync(path).filter((name) => !SKIPPED.has(name));
    const entries = below.map((name) => join(path, name));
    return markdownFiles(entries.filter((entry) => entry.endsWith('.md') || statSync(entry).isDirectory()));
  });
}

/** A page without its code, in which nothing is a link or a heading. */
const proseOf = (text: string) =>
  text.replace(/^( *)(```+|~~~+)[\s\S]*?^\1\2 *$/gm, '').replace(/<!--[\s\S]*?-->/g, '');

/** Targets of links and images: in Markdown, of references, and in HTML. */
function linksIn(text: string): string[] {
  const prose = proseOf(text).replace(/(`+)(?!`)[\s\S]*?(?<!`)\1(?!`)/g, 'code');
  const found = [
    ...prose.matchAll(/\]\(\s*<?([^)\s>]+)/g),
    ...prose.matchAll(/^ {0,3}\[[^\]]+\]: *(\S+)/gm),
    ...prose.matchAll(/\b(?:href|src|srcset)=("[^"]+"|'[^']+'|[^\s"'>]+)/gi),
  ];
  return found.flatMap(([, target]) =>
    target!
      .replace(/^["']|["']$/g, '')
      .split(',')
      .map((one) => one.trim().split(/\s/)[0]!),
  );
}

/** What links may name after `#`: headings as GitHub makes anchors of them, and names given in HTML. */
function anchorsOf(text: string): Set<string> {
  const prose = proseOf(text);
  const slugger = new GithubSlugger();
  const headings = [...prose.matchAll(/^ {0,3}#{1,6} +(.+?)(?: +#+)? *$/gm)].map(([, heading]) =>
    slugger.slug(heading!.replace(/!?\[([^\]]*)\]\([^)]*\)/g, '$1').replace(/[`*]/g, '')),
  );
  const named = [...prose.matchAll(/\b(?:id|name)="([^"]+)"/g)].map(([, name]) => name!);
  return new Set([...headings, ...named]);
}

/** Why a link leads nowhere, or null. */
function problemOf(file: string, link: string): string | null {
  if (/^(?:[a-z][a-z+.-]*:|\/\/)/i.test(link)) return null; // another site
  const [path, anchor] = decodeURI(link).split('#') as [string, string?];
  const target = path === '' ? file : resolve(dirname(file), path);
  if (!existsSync(target)) return 'no such file';
  if (anchor === undefined || statSync(target).isDirectory()) return null;
  const text = readFileSync(target, 'utf8');
  const line = /^L(\d+)/.exec(anchor);
  if (line) return Number(line[1]) <= text.split('\n').length ? null : 'no such line';
  return anchorsOf(text).has(anchor) ? null : 'no such heading';
}

/** Links of Markdown files that lead nowhere in the repository: `README.md: docs/x.md: no such file`. Other sites are not asked. */
export function brokenLinks(root: string, files: readonly string[]): string[] {
  return files.flatMap((file) =>
    linksIn(readFileSync(file, 'utf8')).flatMap((link) => {
      const problem = problemOf(file, link);
      return problem ? [`${relative(root, file)}: ${link}: ${problem}`] : [];
    }),
  );
}
