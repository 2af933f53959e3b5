import { comparisonColumns, comparisonNotes, comparisonText, OFF_MARK, OFF_NOTE, reasonsOf } from './comparison.ts';
import type { Block, Provenance, Report } from './content.ts';
import type { Drawing } from './draw.ts';
import { escapeProse, escapeText } from './escape.ts';
import { adapterText, duration, seedsText } from './format.ts';
import { sortable, sortRules } from './sortable.ts';
import { style } from './style.ts';
import { cellTexts, figureColumns } from './tables.ts';

/**
 * Creates the HTML file of a report. It contains its drawings and its style, and no script; the policy in its head forbids loading
 * anything.
 *
 * @param drawings drawings of the report's figures, by name
 */
export function reportPage(report: Report, drawings: ReadonlyMap<string, Drawing>): string {
  const header = [
    `<h1><span class="id">${escapeText(report.id)}</span> ${escapeProse(report.title)}</h1>`,
    ...(report.status === 'finished' ? [] : [`<p class="state">${stateText[report.status]}</p>`]),
    ...report.provenance.map(headLine),
    links([...report.sections.map(({ title }) => title), 'What was run']),
  ];
  const body = [
    `<section aria-label="Question">\n${paragraphs(report.question)}\n</section>`,
    notice('What went wrong', report.warnings),
    notice('What was reduced or changed', report.reduced),
    ...sectionsHtml(report.sections, drawings),
    section(report.sections.length, 'What was run', report.provenance.map(provenanceHtml).join('\n')),
  ];
  const footer =
    'Written by tilegrad. This file needs no network; <code>report.json</code> beside it holds the same as data.';
  return page(`${report.id}: ${report.title}`, report.sections, header, body, footer);
}

/** Creates the page of a user's program: a title, an introduction and sections. A section without a title has no heading. */
export function documentPage(
  document: { title: string; introduction: readonly string[]; sections: Report['sections'] },
  drawings: ReadonlyMap<string, Drawing>,
): string {
  const { title, introduction, sections } = document;
  const titles = sections.map((entry) => entry.title);
  const header = [`<h1>${escapeProse(title)}</h1>`, ...(titles.length > 1 ? [links(titles)] : [])];
  const body = [paragraphs(introduction), ...sectionsHtml(sections, drawings)];
  return page(title, sections, header, body, 'Written by tilegrad. This file needs no network.');
}

const sectionsHtml = (sections: Report['sections'], drawings: ReadonlyMap<string, Drawing>): string[] =>
  sections.map(({ title, blocks }, i) =>
    section(i, title, blocks.map((block, position) => blockHtml(block, drawings, 1000 * i + position)).join('\n')),
  );

const links = (titles: readonly string[]) =>
  `<nav aria-label="Sections">${titles.map((title, i) => `<a href="#s${i}">${escapeProse(title)}</a>`).join('')}</nav>`;

/** Creates the HTML around the content of a page. @param footer HTML, like `header` and `body` */
function page(
  head: string,
  sections: Report['sections'],
  header: readonly string[],
  body: readonly string[],
  footer: string,
): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<meta name="color-scheme" content="light dark">
<title>${escapeText(head)}</title>
<style>
${style}${sortRules(sections)}
</style>
</head>
<body>
<main>
<header>
${header.join('\n')}
</header>
${body.filter((part) => part !== '').join('\n')}
<footer>${footer}</footer>
</main>
</body>
</html>
`;
}

const stateText: Record<Exclude<Report['status'], 'finished'>, string> = {
  running: 'Still running, or ended without a word: this is what was done when the report was written.',
  interrupted: 'Interrupted: this is what was done until then.',
  failed: 'Ended by an error: this is what was done until then.',
};

const section = (index: number, title: string, content: string) =>
  title === ''
    ? `<section>\n${content}\n</section>`
    : `<section aria-labelledby="s${index}">\n<h2 id="s${index}">${escapeProse(title)}</h2>\n${content}\n</section>`;

const paragraphs = (texts: readonly string[]) => texts.map((text) => `<p>${escapeProse(text)}</p>`).join('\n');

const date = (iso: string | null) =>
  iso?.slice(0, 16).replace('T', ' ').concat(' UTC') ?? 'at a time that was not kept';

function headLine({ startedAt, seconds, adapter }: Provenance): string {
  const time = seconds === null ? '' : ` · ${duration(seconds)}`;
  return `<p>${escapeText(`${date(startedAt)}${time} · ${adapterText(adapter)}`)}</p>`;
}

function notice(title: string, texts: readonly string[]): string {
  if (texts.length === 0) return '';
  const items = texts.map((text) => `<li>${escapeProse(text)}</li>`).join('');
  return `<div class="notice" role="note"><strong>${title}</strong><ul>${items}</ul></div>`;
}

/** @param index number of the block, unique in the page */
function blockHtml(block: Block, drawings: ReadonlyMap<string, Drawing>, index: number): string {
  switch (block.type) {
    case 'text':
      return paragraphs(block.text.split(/\n{2,}/));
    case 'heading':
      return `<h3>${escapeProse(block.text)}</h3>`;
    case 'preformatted':
      return box('Text', `<pre>${escapeText(block.text)}</pre>`);
    case 'figure':
      return figureHtml(block.figure.name, drawings.get(block.figure.name)!, block.caption);
    case 'comparison':
      return comparisonHtml(block);
    case 'table':
      return tableHtml(block, index);
  }
}

/** A box in which wide content scrolls, also by keyboard, because the page must not scroll sideways. */
const box = (label: string, content: string, isBroad = false) =>
  `<div class="${isBroad ? 'box broad' : 'box'}"><div class="scroll" tabindex="0" role="region" aria-label="${escapeText(label)}">${content}</div></div>`;

function figureHtml(name: string, drawing: Drawing, caption?: string): string {
  const inline = (svg: string, variant: string) => prepareSvg(svg, `${name}-${variant}`);
  const content =
    drawing.narrow === undefined
      ? `<div class="scroll" tabindex="0" role="region" aria-label="${escapeText(name)}">${inline(drawing.svg, 'w')}</div>`
      : `<div class="fits wide">${inline(drawing.svg, 'w')}</div><div class="fits narrow">${inline(drawing.narrow, 'n')}</div>`;
  return `<figure id="${name}">${content}${caption ? `<figcaption>${escapeProse(caption)}</figcaption>` : ''}</figure>`;
}

/** Prepares an SVG for a page with others: makes its ids unique and removes the namespaces. */
function prepareSvg(svg: string, prefix: string): string {
  return svg
    .replace(/ xmlns(:\w+)?="[^"]*"/g, '')
    .replace(/(\sid="|url\(['"]?#)/g, `$1${prefix}-`)
    .replaceAll('xlink:href', 'href');
}

/** Maximum characters of a part of a value that is not broken. */
const MAX_LINE_LENGTH = 24;

/** A value and the text in parentheses after it, each unbroken, because the labels need the width. Longer texts break anywhere. */
const valueHtml = (text: string) =>
  text
    .split(/ (?=\()/)
    .map((part) => (part.length > MAX_LINE_LENGTH ? escapeProse(part) : `<span>${escapeProse(part)}</span>`))
    .join(' ');

/** Maximum characters of a row's name that is not broken; longer names get a minimum width. */
const MAX_SHORT_LENGTH = 12;
const rowHead = (text: string, roleAttribute = '') =>
  `<th scope="row" class="${text.length > MAX_SHORT_LENGTH ? 'label' : 'short'}"${roleAttribute}>${escapeProse(text)}</th>`;

function comparisonHtml({ caption, rows }: Extract<Block, { type: 'comparison' }>): string {
  const texts = rows.map(comparisonText);
  const columns = comparisonColumns(texts);
  const body = texts.map(({ label, published, ours, difference, isOff }) => {
    const mark = isOff ? ` <abbr title="${escapeText(OFF_NOTE)}">${OFF_MARK}</abbr>` : '';
    const cells = [
      ...(columns.published ? [`<td class="figure">${valueHtml(published)}</td>`] : []),
      `<td class="figure">${valueHtml(ours)}</td>`,
      ...(columns.difference ? [`<td class="number${isOff ? ' off' : ''}">${escapeText(difference)}${mark}</td>`] : []),
    ];
    return `<tr>${rowHead(label)}${cells.join('')}</tr>`;
  });
  const head = [
    '',
    ...(columns.published ? ['published'] : []),
    columns.ours,
    ...(columns.difference ? ['difference'] : []),
  ];
  const heads = head.map((name, i) => `<th scope="col"${i > 0 ? ' class="number"' : ''}>${name}</th>`);
  const tableBox = box(
    caption || (columns.published ? 'Published figures and ours' : 'Figures'),
    `<table class="comparison columns-${head.length}">${captionHtml(caption)}<thead><tr>${heads.join('')}</tr></thead><tbody>${body.join('')}</tbody></table>`,
  );
  const notes = [
    ...comparisonNotes(rows, texts).map(escapeText),
    ...reasonsOf(texts).map(({ labels, why }) => `<b>${escapeProse(labels)}:</b> ${escapeProse(why)}`),
  ];
  return [tableBox, ...notes.map((note) => `<p class="note">${note}</p>`)].join('\n');
}

/** A table with more columns is broader than the text; if it still scrolls, its first column stays visible. */
const MAX_COLUMNS = 7;

type TableBlock = Extract<Block, { type: 'table' }>;

function tableHtml(block: TableBlock, index: number): string {
  const { caption, head, rows } = block;
  const figures = figureColumns(head, rows);
  const numberClass = (column: number) => (figures.includes(column) ? ' class="number"' : '');
  const sorting = block.sortable && rows.length > 1 ? sortable(block, index) : null;
  const roleAttribute = (name: string) => (sorting ? ` role="${name}"` : '');
  const heads = head.map(
    (name, column) =>
      `<th scope="col"${numberClass(column)}${roleAttribute('columnheader')}>${sorting ? sorting.head(column) : escapeProse(name)}</th>`,
  );
  const body = cellTexts(head, rows).map((row, rowIndex) => {
    const cells = row.map((text, column) => {
      if (column === 0 && !figures.includes(0)) return rowHead(text, roleAttribute('rowheader'));
      const kind = numberClass(column) || (text.length > MAX_SHORT_LENGTH ? '' : ' class="short"');
      return column === 0
        ? `<th scope="row"${kind}${roleAttribute('rowheader')}>${escapeProse(text)}</th>`
        : `<td${kind}${roleAttribute('cell')}>${escapeProse(text)}</td>`;
    });
    return `<tr${roleAttribute('row')}${sorting ? sorting.row(rowIndex) : ''}>${cells.join('')}</tr>`;
  });
  const isBroad = head.length > MAX_COLUMNS;
  const classes = [...(isBroad ? ['many'] : []), ...(sorting ? ['sortable'] : [])].join(' ');
  return box(
    caption || 'Table',
    `<table${classes === '' ? '' : ` class="${classes}"`}${sorting ? ` role="table" style="--columns:${head.length}"` : ''}>` +
      `${captionHtml(caption, sorting?.caption)}<thead${roleAttribute('rowgroup')}><tr${roleAttribute('row')}>${heads.join('')}</tr></thead>` +
      `<tbody${roleAttribute('rowgroup')}>${body.join('')}</tbody></table>`,
    isBroad,
  );
}

const captionHtml = (caption: string, suffix = '') =>
  caption + suffix === '' ? '' : `<caption><span>${escapeProse(caption)}${suffix}</span></caption>`;

function provenanceHtml({ seeds, adapter, versions, startedAt, seconds, command, settings }: Provenance): string {
  const entries: [string, string][] = [
    ['Command', `<code>${escapeText(command)}</code>`],
    [seeds.length === 1 ? 'Seed' : 'Seeds', escapeText(seedsText(seeds))],
    ['Adapter', escapeText(adapterText(adapter))],
    ...Object.entries(settings).map(([name, text]): [string, string] => [escapeProse(name), escapeProse(text)]),
    ['Started', escapeText(date(startedAt))],
    ['Time', seconds === null ? 'not finished' : escapeText(duration(seconds))],
    [
      'Versions',
      Object.entries(versions)
        .map(([name, version]) => escapeText(`${name} ${version}`))
        .join(', '),
    ],
  ];
  return `<dl>${entries.map(([name, value]) => `<dt>${name}</dt><dd>${value}</dd>`).join('')}</dl>`;
}
