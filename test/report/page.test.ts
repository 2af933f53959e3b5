import { beforeAll, describe, expect, test } from 'vitest';
import { QUICK_NOTE } from '../../src/report/comparison.ts';
import type { ComparisonInput, ReportContent } from '../../src/report/content.ts';
import { type Drawing, drawFigure } from '../../src/report/draw.ts';
import { escapeText } from '../../src/report/escape.ts';
import { seedsText } from '../../src/report/format.ts';
import { reportPage } from '../../src/report/html.ts';
import { checkReport } from '../../src/report/report-files.ts';
import { ramp, series, tones } from '../../src/report/theme.ts';
import { content, figures, nasty } from './samples.ts';

async function pageOf(report: ReportContent): Promise<string> {
  const drawings = new Map<string, Drawing>();
  for (const figure of Object.values(figures)) drawings.set(figure.name, await drawFigure(figure));
  return reportPage(checkReport(report), drawings);
}

let page = '';
beforeAll(async () => {
  page = await pageOf(content());
});

/** Every tag's name. */
const tags = (html: string) => [...html.matchAll(/<([a-zA-Z][\w-]*)/g)].map((match) => match[1]!.toLowerCase());

test('has the question, the reductions, every table, every figure and what was run', () => {
  for (const text of [
    '-10.00 points',
    '<span>0.5000</span> <span>(sd 0.0100, 3 runs)</span>',
    '0.01 to 0.04',
    'not within 2 points of the published figure',
    'software adapter: the kernels run on the CPU',
    '1 to 3, 3 runs',
    '1 min 02 s',
    'node 20.19.0',
    `What about ${escapeText(nasty)}?`,
    `<li>one image of ${escapeText(nasty)}</li>`,
    `npx tilegrad run T1 --data ${escapeText(`'${nasty}'`)}`,
  ]) {
    expect(page).toContain(text);
  }
  for (const { name } of Object.values(figures)) expect(page).toContain(`<figure id="${name}">`);
});

test('only text between backticks is code', async () => {
  const text = 'run `npx tilegrad <data>` and `b`, or ` alone';
  const html = '<code>npx tilegrad &lt;data&gt;</code> and <code>b</code>, or ` alone';
  const report = content();
  const why = { label: 'test accuracy', published: 0.9, ours: 0.5, why: text };
  const drawn = await pageOf({
    ...report,
    question: [text],
    reduced: [text],
    sections: [
      {
        title: 'a',
        blocks: [
          { type: 'text', text },
          { type: 'comparison', rows: [why] },
        ],
      },
    ],
  });
  expect(drawn).toContain(`<section aria-label="Question">\n<p>run ${html}</p>`);
  expect(drawn).toContain(`<li>run ${html}</li>`);
  expect(drawn).toContain(`<h2 id="s0">a</h2>\n<p>run ${html}</p>`);
  expect(drawn).toContain(`</b> run ${html}</p>`);
});

test('text between backticks is code also in titles, headings, heads, cells, captions, labels and settings', async () => {
  const text = 'what `fit(<data>)` does';
  const html = 'what <code>fit(&lt;data&gt;)</code> does';
  const report = content();
  const table = {
    type: 'table' as const,
    caption: text,
    head: [text, 'b'],
    rows: [
      [text, text],
      ['c', 'd'],
    ],
  };
  const drawn = await pageOf({
    ...report,
    title: text,
    sections: [
      {
        title: text,
        blocks: [
          { type: 'heading', text },
          { type: 'comparison', caption: text, rows: [{ label: text, published: text, ours: 1, why: 'x' }] },
          table,
          { ...table, sortable: true },
        ],
      },
    ],
    provenance: [{ ...report.provenance[0]!, settings: { [text]: text } }],
  });
  const body = drawn.slice(drawn.indexOf('<body>')).replaceAll(/aria-label="[^"]*"/g, '');
  expect(body).not.toContain('`');
  // Title, section with its link, heading; comparison: caption, label, published, whose reason it is; two tables of caption, head
  // and two cells; setting.
  expect(body.split(html)).toHaveLength(1 + 4 + 4 + 8 + 2);
});

describe('comparisons', () => {
  const pageWithComparison = async (...rows: ComparisonInput[]) =>
    pageOf({ ...content(), sections: [{ title: 'a', blocks: [{ type: 'comparison', rows }] }] });
  const heads = (html: string) => [...html.matchAll(/<th scope="col"[^>]*>([^<]*)</g)].map(([, name]) => name);
  const none = { label: 'a', published: null, ours: 0.5 };

  test('do not wrap a number; wrap a published sentence', async () => {
    const published = 'much higher than the highest of 32 units';
    expect(await pageWithComparison({ ...none, published })).toContain(`<td class="figure">${published}</td>`);
    const html = await pageWithComparison({ ...none, published: '65 to 74, one model' });
    expect(html).toContain('<td class="figure"><span>65 to 74, one model</span></td>');
  });

  test('have no empty column: published, or the difference from it', async () => {
    const bare = await pageWithComparison(none, { ...none, label: 'b' });
    expect(heads(bare)).toEqual(['', 'measured']);
    expect(bare).toContain('<tr><th scope="row" class="short">a</th><td class="figure"><span>0.5000</span></td></tr>');
    expect(heads(await pageWithComparison(none, { ...none, published: '0.4 to 0.6' }))).toEqual([
      '',
      'published',
      'ours',
    ]);
    const one = await pageWithComparison(none, { ...none, published: 0.5 });
    expect(heads(one)).toEqual(['', 'published', 'ours', 'difference']);
  });

  test('of a quick run show differences without a mark, and say why', async () => {
    const far = { ...none, published: 0.9 };
    const alarm = /class="number off"|<abbr|not within 2 points/;
    expect(await pageWithComparison(far)).toMatch(alarm);
    const quick = await pageWithComparison({ ...far, likeForLike: false });
    expect(quick).not.toMatch(alarm);
    expect(quick).toContain('-40.00 points');
    expect(quick).toContain(`<p class="note">${QUICK_NOTE}</p>`);
    expect(await pageWithComparison({ ...none, likeForLike: false })).not.toContain(QUICK_NOTE);
  });
});

test('loads nothing: it has no script and no address, and a policy forbids both', () => {
  expect(page).not.toMatch(/https?:|\bfile:|\/\/[a-z]+\./i);
  expect(page).not.toMatch(/@import|@font-face/);
  expect(tags(page)).not.toEqual(
    expect.arrayContaining([expect.stringMatching(/^(script|link|iframe|object|embed|img|base)$/)]),
  );
  for (const [, target] of page.matchAll(/(?:href|src)="([^"]*)"/g))
    expect(target).toMatch(/^(#s\d+$|data:image\/png;base64,)/);
  for (const [, target] of page.matchAll(/url\(([^)]*)\)/g)) expect(target).toMatch(/^['"]?#/);
  expect(page).toContain(`content="default-src 'none'; style-src 'unsafe-inline'; img-src data:"`);
});

test('escapes all text, in every place', () => {
  expect(page).not.toContain('<img');
  // If it were markup, the attribute would be in its tag.
  const inTags = [...page.matchAll(/<[a-z][^<>]*>/gi)].map(([tag]) => tag.replaceAll(/"[^"]*"/g, '""'));
  expect(inTags.filter((tag) => /onerror|src=x/.test(tag))).toEqual([]);
  expect(page.split('onerror').length).toBeGreaterThan(20);
});

test('tags are closed in the reverse order of opening', () => {
  const open: string[] = [];
  const empty = new Set(['meta', 'br', 'hr', 'input']);
  for (const [tag, slash, name, selfClosed] of page.matchAll(
    /<(\/?)([a-zA-Z][\w-]*)(?:"[^"]*"|'[^']*'|[^'">])*?(\/?)>/g,
  )) {
    if (slash) expect([tag, open.pop()]).toEqual([tag, name]);
    else if (!selfClosed && !empty.has(name!)) open.push(name!);
  }
  expect(open).toEqual([]);
});

test('ids are unique, and references find them', () => {
  const ids = [...page.matchAll(/\sid="([^"]*)"/g)].map((match) => match[1]!);
  expect(new Set(ids).size).toBe(ids.length);
  const wanted = [...page.matchAll(/(?:href="#|aria-labelledby="|url\(['"]?#)([\w-]+)/g)].map((match) => match[1]!);
  expect(wanted.filter((id) => !ids.includes(id))).toEqual([]);
});

test('is dark if the system is: every color of the light drawings has a dark rule', () => {
  const dark = page.slice(page.indexOf('@media (prefers-color-scheme:dark)'), page.indexOf('*{box-sizing'));
  for (const { light, dark: there } of [...Object.values(tones), ...series, ...ramp]) {
    expect(dark).toContain(`[fill="${light}"]{fill:${there}}`);
    expect(dark).toContain(`[stroke="${light}"]{stroke:${there}}`);
  }
  const known = new Set([...Object.values(tones), ...series, ...ramp].map(({ light }) => light));
  // A confusion matrix blends its two colors with the paper, and full cells have white text: these colors are the same in light and dark.
  for (const color of ['#2268a6', '#c4501f', '#fdfdfe']) known.add(color);
  const used = [...page.matchAll(/(?:fill|stroke)="(#[0-9a-f]+)"/g)].map((match) => match[1]!);
  expect(used.length).toBeGreaterThan(50);
  expect([...new Set(used)].filter((color) => !known.has(color))).toEqual([]);
});

test('fits a phone: drawings are narrow, and wide boxes scroll', () => {
  expect(page).toContain('width=device-width');
  expect(page).toMatch(/@media \(max-width:640px\)\{\.wide\{display:none\}\.narrow\{display:block\}/);
  expect(page.match(/<div class="fits narrow">/g)).toHaveLength(9);
  // Tables, preformatted text, confusion matrix and model.
  expect(page.match(/<div class="scroll" tabindex="0" role="region" aria-label="/g)).toHaveLength(5);
  expect(page.match(/<table[ >]/g)).toHaveLength(2);
  // A box has a shadow at each edge beyond which it can scroll, above its content.
  const [, shadows = ''] = /\n\.scroll\{([^}]*)\}/.exec(page) ?? [];
  for (const edge of ['left', 'right', 'top', 'bottom']) {
    expect(shadows).toMatch(new RegExp(`var\\(--paper\\) 40%,transparent\\) ${edge}/\\S+ \\S+ no-repeat local`));
    expect(shadows).toMatch(new RegExp(`var\\(--shadow\\),transparent\\) ${edge}/\\S+ \\S+ no-repeat scroll`));
  }
  expect(page).toContain('figure .scroll>svg>rect:first-child{fill:none}');
  expect(page).toMatch(/thead th\{background:var\(--head\)/);
  expect(page).toMatch(/--head:rgba\(/);
  // The first column of a wide table stays visible, fits its labels, and its rows align with the others.
  expect(page).toMatch(/\.label\{min-width:5\.5em\}\.many \.label\{min-width:9\.5em\}/);
  expect(page).toContain('.many{border-collapse:separate;border-spacing:0}');
});

test('every drawing has an alternative text', () => {
  const drawings = page.match(/<svg [^>]*>/g)!;
  expect(drawings).toHaveLength(20);
  for (const svg of drawings) expect(svg).toMatch(/role="img" aria-label="[^"]{30,}"/);
});

test('stays below its size limit', () => {
  expect(page.length).toBeLessThan(300_000);
});

describe('states', () => {
  test.each([
    ['finished', null],
    ['interrupted', 'Interrupted: this is what was done until then.'],
    ['failed', 'Ended by an error'],
    ['running', 'Still running'],
  ] as const)('%s', async (status, text) => {
    const drawn = await pageOf({ ...content(), status, reduced: [] });
    if (text) expect(drawn).toContain(text);
    else expect(drawn).not.toContain('class="state"');
    expect(drawn).not.toContain('What was reduced');
  });
});

test('seeds are described in words', () => {
  expect([[1], [1, 5], [4, 5, 6], [1, 3, 5]].map(seedsText)).toEqual(['1', '1, 5', '4 to 6, 3 runs', '1, 3, 5']);
});
