import { comparisonColumns, comparisonNotes, comparisonText, OFF_MARK, OFF_NOTE, reasonsOf } from './comparison.ts';
import type { Block, Provenance, Report } from './content.ts';
import type { Drawing } from './draw.ts';
import { escapeText, prose } from './escape.ts';
import { adapterText, duration, seedsText } from './format.ts';
import { sortable, sortRules } from './sortable.ts';
import { style } from './style.ts';
import { cellTexts, figureColumns } from './tables.ts';

/**
 * A report as one HTML file. It holds its drawings and its style and no script; the policy in its head forbids it to load
 * anything at all.
 *
 * @param drawings those of the report's figures, by name
 */
export function reportPage(report: Report, drawings: ReadonlyMap<string, Drawing>): string {
  const header = [
    `<h1><span class="id">${escapeText(report.id)}</span> ${prose(report.title)}</h1>`,
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

/** A page of a program's own: a title, what stands below it, and sections. A section without a title has no heading. */
export function documentPage(
  document: { title: string; introduction: readonly string[]; sections: Report['sections'] },
  drawings: ReadonlyMap<string, Drawing>,
): string {
  const { title, introduction, sections } = document;
  const titles = sections.map((one) => one.title);
  const header = [`<h1>${prose(title)}</h1>`, ...(titles.length > 1 ? [links(titles)] : [])];
  const body = [paragraphs(introduction), ...sectionsHtml(sections, drawings)];
  return page(title, sections, header, body, 'Written by tilegrad. This file needs no network.');
}

const sectionsHtml = (sections: Report['sections'], drawings: ReadonlyMap<string, Drawing>): string[] =>
  sections.map(({ title, blocks }, i) =>
    section(i, title, blocks.map((block, at) => blockHtml(block, drawings, 1000 * i + at)).join('\n')),
  );

const links = (titles: readonly string[]) =>
  `<nav aria-label="Sections">${titles.map((title, i) => `<a href="#s${i}">${prose(title)}</a>`).join('')}</nav>`;

/** The frame of every page. @param footer HTML, as are `header` and `body` */
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
    : `<section aria-labelledby="s${index}">\n<h2 id="s${index}">${prose(title)}</h2>\n${content}\n</section>`;

const paragraphs = (texts: readonly string[]) => texts.map((text) => `<p>${prose(text)}</p>`).join('\n');

const date = (iso: string | null) =>
  iso?.slice(0, 16).replace('T', ' ').concat(' UTC') ?? 'at a time that was not kept';

function headLine({ startedAt, seconds, adapter }: Provenance): string {
  const time = seconds === null ? '' : ` · ${duration(seconds)}`;
  return `<p>${escapeText(`${date(startedAt)}${time} · ${adapterText(adapter)}`)}</p>`;
}

function notice(title: string, texts: readonly string[]): string {
  if (texts.length === 0) return '';
  const items = texts.map((text) => `<li>${prose(text)}</li>`).join('');
  return `<div class="notice" role="note"><strong>${title}</strong><ul>${items}</ul></div>`;
}

/** @param index tells the blocks of a page apart */
function blockHtml(block: Block, drawings: ReadonlyMap<string, Drawing>, index: number): string {
  switch (block.type) {
    case 'text':
      return paragraphs(block.text.split(/\n{2,}/));
    case 'heading':
      return `<h3>${prose(block.text)}</h3>`;
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

/** What is too wide scrolls in a box of its own, also by keyboard; the page never does. */
const box = (label: string, content: string, isBroad = false) =>
  `<div class="${isBroad ? 'box broad' : 'box'}"><div class="scroll" tabindex="0" role="region" aria-label="${escapeText(label)}">${content}</div></div>`;

function figureHtml(name: string, drawing: Drawing, caption?: string): string {
  const inline = (svg: string, variant: string) => svgInPage(svg, `${name}-${variant}`);
  const drawn =
    drawing.narrow === undefined
      ? `<div class="scroll" tabindex="0" role="region" aria-label="${escapeText(name)}">${inline(drawing.svg, 'w')}</div>`
      : `<div class="fits wide">${inline(drawing.svg, 'w')}</div><div class="fits narrow">${inline(drawing.narrow, 'n')}</div>`;
  return `<figure id="${name}">${drawn}${caption ? `<figcaption>${prose(caption)}</figcaption>` : ''}</figure>`;
}

/** An SVG among others in a page: what its parts are called must be its own, and it needs no namespace. */
function svgInPage(svg: string, prefix: string): string {
  return svg
    .replace(/ xmlns(:\w+)?="[^"]*"/g, '')
    .replace(/(\sid="|url\(['"]?#)/g, `$1${prefix}-`)
    .replaceAll('xlink:href', 'href');
}

/** Characters that a cell of figures keeps on a line. */
const MAX_LINE_LENGTH = 24;

/** A figure, and what stands after it in parentheses, on a line or two: the labels need the room. Sentences break anywhere. */
const wholes = (text: string) =>
  text
    .split(/ (?=\()/)
    .map((part) => (part.length > MAX_LINE_LENGTH ? prose(part) : `<span>${prose(part)}</span>`))
    .join(' ');

/** Names of rows: short ones stand on a line, and longer ones get room. */
const SHORT = 12;
const rowHead = (text: string, role = '') =>
  `<th scope="row" class="${text.length > SHORT ? 'label' : 'short'}"${role}>${prose(text)}</th>`;

function comparisonHtml({ caption, rows }: Extract<Block, { type: 'comparison' }>): string {
  const texts = rows.map(comparisonText);
  const columns = comparisonColumns(texts);
  const body = texts.map(({ label, published, ours, difference, isOff }) => {
    const mark = isOff ? ` <abbr title="${escapeText(OFF_NOTE)}">${OFF_MARK}</abbr>` : '';
    const cells = [
      ...(columns.published ? [`<td class="figure">${wholes(published)}</td>`] : []),
      `<td class="figure">${wholes(ours)}</td>`,
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
  const drawn = box(
    caption || (columns.published ? 'Published figures and ours' : 'Figures'),
    `<table class="comparison columns-${head.length}">${captionHtml(caption)}<thead><tr>${heads.join('')}</tr></thead><tbody>${body.join('')}</tbody></table>`,
  );
  const notes = [
    ...comparisonNotes(rows, texts).map(escapeText),
    ...reasonsOf(texts).map(({ labels, why }) => `<b>${prose(labels)}:</b> ${prose(why)}`),
  ];
  return [drawn, ...notes.map((note) => `<p class="note">${note}</p>`)].join('\n');
}

/** More columns than this need more room than text does; where there is none, the first column stays in sight. */
const MAX_COLUMNS = 7;

type TableBlock = Extract<Block, { type: 'table' }>;

function tableHtml(block: TableBlock, index: number): string {
  const { caption, head, rows } = block;
  const figures = figureColumns(head, rows);
  const number = (column: number) => (figures.includes(column) ? ' class="number"' : '');
  const sorting = block.sortable && rows.length > 1 ? sortable(block, index) : null;
  const role = (name: string) => (sorting ? ` role="${name}"` : '');
  const heads = head.map(
    (name, column) =>
      `<th scope="col"${number(column)}${role('columnheader')}>${sorting ? sorting.head(column) : prose(name)}</th>`,
  );
  const body = cellTexts(head, rows).map((row, at) => {
    const cells = row.map((text, column) => {
      if (column === 0 && !figures.includes(0)) return rowHead(text, role('rowheader'));
      const kind = number(column) || (text.length > SHORT ? '' : ' class="short"');
      return column === 0
        ? `<th scope="row"${kind}${role('rowheader')}>${prose(text)}</th>`
        : `<td${kind}${role('cell')}>${prose(text)}</td>`;
    });
    return `<tr${role('row')}${sorting ? sorting.row(at) : ''}>${cells.join('')}</tr>`;
  });
  const isBroad = head.length > MAX_COLUMNS;
  const classes = [...(isBroad ? ['many'] : []), ...(sorting ? ['sortable'] : [])].join(' ');
  return box(
    caption || 'Table',
    `<table${classes === '' ? '' : ` class="${classes}"`}${sorting ? ` role="table" style="--columns:${head.length}"` : ''}>` +
      `${captionHtml(caption, sorting?.caption)}<thead${role('rowgroup')}><tr${role('row')}>${heads.join('')}</tr></thead>` +
      `<tbody${role('rowgroup')}>${body.join('')}</tbody></table>`,
    isBroad,
  );
}

const captionHtml = (caption: string, more = '') =>
  caption + more === '' ? '' : `<caption><span>${prose(caption)}${more}</span></caption>`;

function provenanceHtml({ seeds, adapter, versions, startedAt, seconds, command, settings }: Provenance): string {
  const entries: [string, string][] = [
    ['Command', `<code>${escapeText(command)}</code>`],
    [seeds.length === 1 ? 'Seed' : 'Seeds', escapeText(seedsText(seeds))],
    ['Adapter', escapeText(adapterText(adapter))],
    ...Object.entries(settings).map(([name, text]): [string, string] => [prose(name), prose(text)]),
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
