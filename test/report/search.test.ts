import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { toChecksummedJson } from '../../src/base/checksum.ts';
import { compareReports } from '../../src/report/compare.ts';
import type { Block } from '../../src/report/content.ts';
import type { Figure } from '../../src/report/figures/schema.ts';
import { reportPage } from '../../src/report/html.ts';
import { checkReport, readReport, writeReport } from '../../src/report/report-files.ts';
import { reportOf as reportOfRun } from '../../src/report/run-report.ts';
import { rangeText, type SearchSectionsOptions, searchReport, searchSections } from '../../src/report/search.ts';
import { importancesOf, MIN_TRIALS } from '../../src/report/search-importance.ts';
import { bestTrial, chainsOf, rankTrials } from '../../src/report/search-trials.ts';
import { resultsText } from '../../src/report/text.ts';
import type { Hyperparameter, SearchRecord } from '../../src/search/record.ts';
import { content, rowRecord, runRecordOf } from './samples.ts';
import { hyperbandRecord, recordOf, trialOf } from './search-samples.ts';

const folder = mkdtempSync(join(tmpdir(), 'tilegrad-search-report-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const [about] = content().provenance;
const reportOf = (record: SearchRecord) =>
  checkReport(searchReport(record, { status: 'finished', reduced: [], provenance: about as never, again: 'fit()' }));
const blocksOf = (record: SearchRecord, options: SearchSectionsOptions = {}) =>
  searchSections(record, options).flatMap(({ blocks }) => blocks) as Block[];
const figureOf = <T extends Figure['type']>(record: SearchRecord, type: T) =>
  blocksOf(record).flatMap((block) =>
    block.type === 'figure' && block.figure.type === type ? [block.figure] : [],
  )[0] as Extract<Figure, { type: T }> | undefined;

const choice = (name: string, values: string[]): Hyperparameter => ({
  ...{ kind: 'choice', name, conditions: [], values, ordered: false, default: values[0]! },
});
/** Trials of these scores; those of a choice `kind` have the given letters. */
const choosing = (letters: string, scores: (number | null)[], changes: Partial<SearchRecord> = {}) =>
  recordOf({
    space: [choice('kind', [...new Set(letters)])],
    trials: scores.map((score, number) =>
      trialOf({ number, score, values: { kind: letters[number]! }, ...(score === null ? { status: 'failed' } : {}) }),
    ),
    ...changes,
  });

describe('importance', () => {
  // Ranks 0 to 7: their squares around 3.5 sum up to 42, and those within each half to 5. 1 - (10 / 6) / (42 / 7).
  const halves = 1 - 10 / 6 / (42 / 7);

  test('is the share of the rank variance between groups, corrected for the number of groups', () => {
    const [found] = importancesOf(choosing('aaaabbbb', [1, 2, 3, 4, 5, 6, 7, 8]));
    expect(found).toMatchObject({ name: 'kind', trials: 8, groups: 2 });
    expect(found!.importance).toBeCloseTo(halves, 12);
    // Of the 70 ways to choose four of eight, two put all four at one end.
    expect(found!.chance).toBeGreaterThan(0.01);
    expect(found!.chance).toBeLessThan(0.06);
  });

  test('depends on ranks only: not on outliers or the direction; a failed trial is the worst', () => {
    const same = [
      choosing('aaaabbbb', [1, 2, 3, 4, 5, 6, 7, 1e9]),
      choosing('bbbbaaaa', [1, 2, 3, 4, 5, 6, 7, 8], { objective: { name: 'valLoss', direction: 'min' } }),
      choosing('aaaabbbb', [null, 2, 3, 4, 5, 6, 7, 8]),
      choosing('bbbbaaaa', [1, 2, 3, 4, 5, 6, 7, null], { objective: { name: 'valLoss', direction: 'min' } }),
    ];
    for (const record of same) expect(importancesOf(record)[0]!.importance).toBeCloseTo(halves, 12);
  });

  test('is 0 without an effect, and never negative', () => {
    const [found] = importancesOf(choosing('abababab', [1, 1, 2, 2, 3, 3, 4, 4]));
    expect(found!.importance).toBe(0);
    expect(found!.chance).toBeGreaterThan(0.5);
  });

  test('is missing for few trials, for one value, and if all scores are equal', () => {
    expect(importancesOf(choosing('aaaabbb', [1, 2, 3, 4, 5, 6, 7]))[0]).toEqual({
      ...{ name: 'kind', importance: null, chance: null, trials: MIN_TRIALS - 1, groups: 2 },
    });
    expect(importancesOf(choosing('aaaaaaaa', [1, 2, 3, 4, 5, 6, 7, 8]))[0]!.importance).toBeNull();
    expect(importancesOf(choosing('aaaabbbb', [1, 1, 1, 1, 1, 1, 1, 1]))[0]!.importance).toBeNull();
  });

  test('of a number uses up to four groups of equally many trials, and finds an optimum in the middle', () => {
    const rates = Array.from({ length: 16 }, (_, i) => 10 ** (-4 + i / 5));
    const record = recordOf({
      trials: rates.map((learning_rate, number) =>
        trialOf({ number, score: 1 - (Math.log10(learning_rate) + 2.5) ** 2, values: { learning_rate } }),
      ),
    });
    const [found] = importancesOf(record);
    expect(found).toMatchObject({ groups: 4, trials: 16 });
    expect(found!.importance).toBeGreaterThan(0.7);
    expect(found!.chance).toBeLessThan(0.01);
  });

  test('counts a configuration of Hyperband once, among those with as many epochs, and only those that have it', () => {
    const record = hyperbandRecord();
    const found = Object.fromEntries(importancesOf(record).map((one) => [one.name, one]));
    expect(found.learning_rate).toMatchObject({ trials: 22, groups: 4 });
    const having = chainsOf(record).filter(([first]) => 'units4' in first!.values).length;
    expect(found.units4!.trials).toBe(having);
    expect(found.learning_rate!.importance).toBeGreaterThan(0.5);
    // All trials of a bracket score higher with more epochs, which says nothing about their values.
    const longer = record.trials.map((trial) =>
      trial.values['tuner/bracket'] === 0 ? { ...trial, score: trial.score! + 10 } : trial,
    );
    expect(importancesOf({ ...record, trials: longer })).toEqual(importancesOf(record));
  });

  test('is the same in every call', () => {
    expect(importancesOf(hyperbandRecord())).toEqual(importancesOf(hyperbandRecord()));
  });
});

test('chainsOf: links the trials of a Hyperband configuration, each round after the one whose weights it used', () => {
  const record = hyperbandRecord();
  const chains = chainsOf(record);
  expect(chains.map((chain) => chain.length).sort()).toEqual([...Array(16).fill(1), 2, 2, 2, 2, 3, 3]);
  for (const chain of chains) {
    expect(chain.map(({ values }) => values['tuner/round'])).toEqual([...chain.keys()]);
    expect(chain.slice(1).map(({ values }) => values['tuner/trial_number'])).toEqual(
      chain.slice(0, -1).map(({ number }) => number),
    );
  }
});

test('rankTrials: the best trial has the highest or the lowest score; failed ones are last, and never the best', () => {
  const record = choosing('aaaa', [0.5, null, 0.9, 0.9]);
  expect(rankTrials(record).map(({ number }) => number)).toEqual([2, 3, 0, 1]);
  const falling = { ...record, objective: { name: 'valLoss', direction: 'min' as const } };
  expect(rankTrials(falling).map(({ number }) => number)).toEqual([0, 2, 3, 1]);
  expect(bestTrial(choosing('aa', [null, null]))).toBeUndefined();
});

test('rangeText: describes a range in words', () => {
  const named = { name: 'a', conditions: [] };
  expect(rangeText({ kind: 'int', ...named, min: 3, max: 5, step: 1, sampling: 'linear', default: 3 })).toBe('3 to 5');
  expect(rangeText({ kind: 'int', ...named, min: 16, max: 64, step: 16, sampling: 'linear', default: 16 })).toBe(
    '16 to 64, step 16',
  );
  expect(rangeText({ kind: 'float', ...named, min: 1e-8, max: 1e-4, step: null, sampling: 'log', default: 1 })).toBe(
    '1e-8 to 0.0001, log',
  );
  expect(rangeText({ ...choice('a', ['x', 'y']), conditions: [{ name: 'b', values: [1, 2] }] })).toBe(
    'x, y; if b 1 or 2',
  );
  expect(rangeText({ kind: 'boolean', ...named, default: true })).toBe('false, true');
  expect(rangeText({ kind: 'fixed', ...named, value: 3 })).toBe('fixed');
});

describe('sections', () => {
  const record = hyperbandRecord();

  test('have every trial, the best first, with its round, its values, and the reason if it failed', () => {
    const tables = blocksOf(record).filter((block) => block.type === 'table');
    const { head, rows, sortable } = tables.find(({ caption }) => caption.startsWith('Trials'))!;
    expect(sortable).toBe(true);
    expect(rows).toHaveLength(30);
    expect(rows.map(([number]) => number)).toEqual(rankTrials(record).map(({ number }) => number));
    expect(head).toEqual(expect.arrayContaining(['trial', 'valAccuracy', 'bracket', 'round', 'layers', 'units4']));
    const of = (number: number, column: string) => rows.find(([n]) => n === number)![head.indexOf(column)];
    expect([of(5, 'status'), of(5, 'valAccuracy'), of(5, 'reason')]).toEqual([
      'failed',
      null,
      'the loss of epoch 1 is NaN',
    ]);
    const third = record.trials.find(({ values }) => values['tuner/round'] === 2)!;
    expect([of(third.number, 'first epoch'), of(third.number, 'last epoch')]).toEqual([5, 10]);
    expect(of(0, 'l2_0')).toBe(
      Number(record.trials[0]!.values.l2_0)
        .toExponential(3)
        .replace(/\.?0+e/, 'e'),
    );
  });

  test('state the best trial and how to train it again', () => {
    const blocks = blocksOf(record, { again: 'await model.fit()' });
    const best = bestTrial(record)!;
    const texts = blocks.flatMap((block) => (block.type === 'text' ? [block.text] : [])).join('\n');
    expect(texts).toContain(`Best: trial ${best.number} with valAccuracy`);
    expect(texts).toContain('30 trials of Hyperband (maxEpochs 10, factor 3, hyperbandIterations 1), seed 1; 1 failed');
    expect(texts).toContain('Kruskal and Wallis 1952');
    expect(blocks).toContainEqual({ type: 'preformatted', text: 'await model.fit()' });
  });

  test('draw a line for each trial, a panel for each hyperparameter, and the brackets', () => {
    const parallel = figureOf(record, 'parallel')!;
    expect(parallel.axes).toHaveLength(18);
    expect(parallel.lines).toHaveLength(30);
    const panels = figureOf(record, 'panels')!;
    expect(panels.panels[0]).toMatchObject({ axis: { label: 'learning_rate', log: true } });
    expect(panels.panels.find(({ axis }) => axis.label === 'units4')!.points.length).toBeLessThan(30);
    const curves = figureOf(record, 'trials')!;
    const second = record.trials.find(({ values }) => values['tuner/round'] === 1)!;
    expect(curves.lines.find(({ trial }) => trial === second.number)!.x).toEqual([2, 3, 4]);
    const brackets = figureOf(record, 'brackets')!.brackets;
    expect(brackets.map(({ label, configurations }) => [label, configurations.length])).toEqual([
      ['bracket 2: 12, 4, 2 trials', 12],
      ['bracket 1: 6, 2 trials', 6],
      ['bracket 0: 4 trials', 4],
    ]);
  });

  test('have no brackets for a search without rounds, and no figures without trials', () => {
    expect(figureOf(choosing('ab', [0.1, 0.2]), 'brackets')).toBeUndefined();
    const empty = blocksOf(recordOf());
    expect(empty.filter(({ type }) => type === 'figure')).toEqual([]);
    expect(empty.flatMap((block) => (block.type === 'text' ? [block.text] : []))[0]).toContain('No trial has a score.');
  });

  test('draw at most as many trials and hyperparameters as can be distinguished, and say so', () => {
    const space = Array.from({ length: 120 }, (_, i) => choice(`h${i}`, ['a', 'b']));
    const values = Object.fromEntries(space.map(({ name }) => [name, 'a']));
    const trials = Array.from({ length: 450 }, (_, number) => trialOf({ number, score: number, values }));
    const many = recordOf({ space, trials });
    const parallel = figureOf(many, 'parallel')!;
    expect([parallel.axes.length, parallel.lines.length]).toEqual([24, 400]);
    expect(parallel.lines.every(({ score }) => score! >= 50)).toBe(true);
    expect(parallel.subtitle).toEqual([
      'the best 400; 50 more are not drawn',
      'the 24 most important of 120 hyperparameters',
    ]);
    expect(() => reportOf(many)).not.toThrow();
  });
});

describe('a page', () => {
  const record = hyperbandRecord();
  const page = reportPage(
    checkReport({
      ...reportOf(record),
      sections: [{ title: 'Trials', blocks: blocksOf(record).filter(({ type }) => type === 'table') }],
    }),
    new Map(),
  );

  test('has tables that a reader can sort by any column, without a script', () => {
    expect(page).not.toMatch(/<script|onclick|onchange/);
    const { head } = blocksOf(record).find((block) => block.type === 'table' && block.sortable) as Extract<
      Block,
      { type: 'table' }
    >;
    const table = page.slice(page.indexOf('class="many sortable"'));
    expect(table.match(/<input type="radio"/g)).toHaveLength(head.length);
    for (const [column, name] of head.entries()) {
      expect(table).toContain(`class="by-${column}"> ${name}</label>`);
      expect(page).toContain(`.sortable:has(.by-${column}:checked) tbody tr{--order:var(--o${column},`);
    }
    // The trial without a score has no rank there, so that it is last in either order.
    const rows = [...table.matchAll(/<tr role="row" style="([^"]*)">.*?<\/tr>/g)];
    expect(rows).toHaveLength(30);
    const withoutScore = rows.filter(([, style]) => !/--o1:/.test(style!));
    expect(withoutScore.map(([row]) => row.includes('>failed<'))).toEqual([true]);
  });

  test('sorts numbers as numbers, also with exponents, before words', () => {
    const cells = [3, '2e-7', '1.5e-3', 'none', null, 10, '10'];
    const one = checkReport({
      ...content(),
      sections: [
        { title: 'a', blocks: [{ type: 'table', head: ['b'], rows: cells.map((cell) => [cell]), sortable: true }] },
      ],
    });
    const ranks = [...reportPage(one, new Map()).matchAll(/<tr role="row" style="([^"]*)">/g)].map(
      ([, style]) => style,
    );
    expect(ranks.slice(0, 6)).toEqual(['--o0:2', '--o0:0', '--o0:1', '--o0:5', '', '--o0:3']);
  });

  test('has no sorting rules without such a table', () => {
    expect(reportPage(checkReport({ ...content(), sections: [] }), new Map())).not.toContain('sortable');
  });
});

test('a report is drawn again from its JSON to the byte; two are compared side by side', async () => {
  const record = choosing('aaaabbbb', [1, 2, 3, 4, 5, 6, 7, 8]);
  await writeReport(folder, reportOf(record));
  const page = readFileSync(join(folder, 'report.html'), 'utf8');
  const { report } = readReport(folder);
  await writeReport(folder, report);
  expect(readFileSync(join(folder, 'report.html'), 'utf8')).toBe(page);
  const both = checkReport(
    compareReports([
      { name: 'one', report },
      { name: 'two', report: reportOf(hyperbandRecord()) },
    ]),
  );
  const names = both.sections.flatMap(({ blocks }) =>
    blocks.flatMap((block) => (block.type === 'figure' ? block.figure.name : [])),
  );
  expect(names).toEqual(expect.arrayContaining(['run-1-parallel', 'run-2-parallel', 'run-2-brackets']));
});

describe('the folder of a search with only search.json', () => {
  const searchFolder = join(folder, 'library');
  const write = (record: SearchRecord) => {
    mkdirSync(searchFolder, { recursive: true });
    writeFileSync(join(searchFolder, 'search.json'), toChecksummedJson(record));
  };

  test('has a report that says how to load the best model', () => {
    write(hyperbandRecord());
    const { report } = readReport(searchFolder);
    expect(report).toMatchObject({ id: 'c1-seed-1', status: 'finished' });
    expect(report.provenance[0]).toMatchObject({ adapter: { name: 'llvmpipe', isSoftware: true }, startedAt: null });
    expect(report.sections.map(({ title }) => title)).toEqual([
      ...['What was found', 'Trials', 'Hyperparameters', 'Learning curves', 'Brackets'],
    ]);
    const best = bestTrial(hyperbandRecord())!.number;
    expect(JSON.stringify(report)).toContain(`${searchFolder}/weights/${String(best).padStart(4, '0')}.safetensors`);
    expect(reportPage({ ...report, sections: [] }, new Map())).toContain('at a time that was not kept');
    mkdirSync(join(searchFolder, 'backups'), { recursive: true });
    writeFileSync(join(searchFolder, 'backups', '0007.safetensors'), '');
    expect(readReport(join(searchFolder, 'search.json')).report.status).toBe('running');
  });

  test('throws if it is damaged', () => {
    write(hyperbandRecord());
    const path = join(searchFolder, 'search.json');
    writeFileSync(path, readFileSync(path, 'utf8').replace('learning_rate', 'learning_rat3'));
    expect(() => readReport(searchFolder)).toThrow(/search\.json was changed after it was written/);
    writeFileSync(path, '{"kind":"tilegrad-search","schemaVersion":2}');
    expect(() => readReport(searchFolder)).toThrow(/is a search of version 2; this tilegrad reads version 1/);
  });
});

test('two searches side by side: the results, the numbers of trials, and the searchers', () => {
  const record = choosing('aaaabbbb', [1, 2, 3, 4, 5, 6, 7, 8]);
  const [first] = checkReport(
    compareReports([
      { name: 'one', report: reportOf(record) },
      { name: 'two', report: reportOf(hyperbandRecord()) },
    ]),
  ).sections[0]!.blocks as [Extract<Block, { type: 'table' }>];
  const rows = new Map(first.rows.map(([label, ...cells]) => [label, cells]));
  expect(first.head).toEqual(['', 'one', 'two', 'difference']);
  expect(rows.get('best valAccuracy')).toEqual(['8', '0.9671', '-7.033']);
  expect(rows.get('trials')).toEqual(['8', '30', '+22']);
  expect(rows.get('best trial')).toEqual(['number 7', expect.stringMatching(/^number \d+$/), '']);
  expect(rows.get('failed trials')).toEqual(['0', '1', '+1']);
  expect(rows.get('searcher')).toEqual([
    'RandomSearch (maxTrials 3)',
    'Hyperband (maxEpochs 10, factor 3, hyperbandIterations 1)',
    '',
  ]);
});

test('a run that was stopped during a search shows what was found so far', () => {
  const found = hyperbandRecord();
  const { sections, provenance } = checkReport(
    reportOfRun(
      runRecordOf([rowRecord({ id: 'C1', status: 'interrupted' })], {
        status: 'interrupted',
        searches: [{ row: 'C1', status: 'interrupted', kept: false, record: found }],
      }),
    ),
  );
  expect(sections.map(({ title }) => title)).toEqual(['Results', 'Search c1-seed-1']);
  const names = sections[1]!.blocks.flatMap((block) => (block.type === 'figure' ? block.figure.name : []));
  expect(names).toContain('c1-seed-1-parallel');
  expect(provenance[0]!.settings.Trained).toBe('0 models in 0 trainings; 30 trials in 1 search');
});

test('a terminal shows the best trial and the hyperparameters, and nothing that needs a page', () => {
  const text = resultsText(reportOf(hyperbandRecord()));
  expect(text).toContain('Best: trial');
  expect(text).toMatch(/│ learning_rate +│ .* 0\.0001 to 0\.1, log/);
  expect(text).not.toContain('Trials, the best first');
  expect(text).not.toContain('How to train the best again'); // a heading over code, which is on the page
});
