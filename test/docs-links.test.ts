import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { documents, root } from './support/documents.ts';
import { brokenLinks, markdownFiles } from './support/markdown-links.ts';

/** A folder with these files. */
function folderOf(files: Readonly<Record<string, string>>): string {
  const folder = mkdtempSync(join(tmpdir(), 'tilegrad-links-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  mkdirSync(join(folder, 'docs'));
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
  return folder;
}
const brokenIn = (files: Readonly<Record<string, string>>) => {
  const folder = folderOf(files);
  return brokenLinks(folder, markdownFiles([folder]));
};

test('documents: every relative link has its file, and every anchor its heading', () => {
  const files = documents.map((path) => join(root, path));
  expect(files.length).toBeGreaterThan(15);
  expect(brokenLinks(root, files)).toEqual([]);
});

test('links: a missing file is reported, for every form of link', () => {
  const text =
    '[a](docs/no.md) ![b](no.png "title") [c]\n\n[c]: ../gone.md\n\n<img src="no.svg"> <source srcset="x.png 2x"> <a href=\'y.md\'>y</a> <a href=z.md>z</a>';
  expect(brokenIn({ 'a.md': text })).toEqual([
    'a.md: docs/no.md: no such file',
    'a.md: no.png: no such file',
    'a.md: ../gone.md: no such file',
    'a.md: no.svg: no such file',
    'a.md: x.png: no such file',
    'a.md: y.md: no such file',
    'a.md: z.md: no such file',
  ]);
});

test("links: an anchor must be that of a heading, in GitHub's form", () => {
  const page =
    '# One `two`: [three](b.md), four!\n\n## Again\n\n## Again\n\n<a name="here"></a>\n\n```\n# no heading\n```\n';
  const good = ['one-two-three-four', 'again', 'again-1', 'here'].map((anchor) => `[x](docs/b.md#${anchor})`).join(' ');
  expect(brokenIn({ 'a.md': good, 'docs/b.md': page })).toEqual([]);
  const bad = '[x](docs/b.md#again-2) [y](#top) [z](docs/b.md#no-heading) [w](docs/b.md#L99)';
  expect(brokenIn({ 'a.md': bad, 'docs/b.md': page })).toEqual([
    'a.md: docs/b.md#again-2: no such heading',
    'a.md: #top: no such heading',
    'a.md: docs/b.md#no-heading: no such heading',
    'a.md: docs/b.md#L99: no such line',
  ]);
});

test('links: those in code and to other sites are ignored', () => {
  const text = '`[a](no.md)`, [b](https://example.org/no.md), [c](mailto:a@example.org)\n\n```js\nf[0](no.md)\n```\n';
  expect(brokenIn({ 'a.md': text })).toEqual([]);
});
