import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { folderOf, plain } from './data/pictures.ts';
import { describeOnDevice } from './support/device.ts';
import { random } from './support/random.ts';

const root = join(import.meta.dirname, '..');
const text = await readFile(join(root, 'docs/DATA.md'), 'utf8');
const [folder, , csv, filling] = [...text.matchAll(/```js\n([\s\S]*?)```/g)].map(([, code]) => code!);

/** Runs code as a user would: against the built package, in a process of its own. */
async function run(code: string): Promise<string> {
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', code], { cwd: root });
  return stdout;
}
const failure = (code: string) => run(code).catch(({ stderr }: { stderr: string }) => stderr);
const accuracyOf = (stdout: string) => Number(/accuracy: ([\d.]+)/.exec(stdout)![1]);

/** Three species that differ by numbers and island; some cells are empty, and one island's name has a comma. */
function penguins(change: (rows: string[]) => void = () => {}): string {
  const values = random(8);
  const rows = Array.from({ length: 120 }, (_, i) => {
    const kind = i % 3;
    const bill = 38 + 5 * kind + values.integer(0, 30) / 10;
    const mass = i % 17 === 0 ? '' : 3500 + 700 * kind + values.integer(0, 500);
    return `${['Adelie', 'Chinstrap', 'Gentoo'][kind]},"${['Biscoe, north', 'Dream'][i % 2]}",${bill},${190 + 15 * kind}, ${mass}`;
  });
  change(rows);
  return folderOf({ 'penguins.csv': ['species,island,bill,flipper,mass', ...rows].join('\n') });
}
const recipe = (dir: string) => csv!.replace("'penguins.csv'", JSON.stringify(join(dir, 'penguins.csv')));

test('the recipe for CSV has fewer than 15 lines from data to fit', () => {
  const lines = csv!.trim().split('\n');
  const [first, last] = ['const [named', 'await model.fit'].map((begin) =>
    lines.findIndex((line) => line.startsWith(begin)),
  );
  expect(first).toBeGreaterThan(0);
  expect(last! - first! + 1).toBeLessThan(15);
});

describeOnDevice('docs/DATA.md', () => {
  test('its recipe for CSV learns: numbers, gaps, a column of names', async () => {
    const code = recipe(penguins()).replace('console.log(', 'console.log(x.length, x[0].length); console.log(');
    const stdout = await run(code);
    expect(stdout).toMatch(/^112 5\n112 of 120 rows/); // 8 of 120 rows have a gap; three numbers and two islands
    expect(accuracyOf(stdout)).toBeGreaterThan(0.9);
  });

  /** Seven more rows that lack something: `many` is no number, and a category is never '' or NA. */
  const withGaps = () =>
    penguins((rows) => {
      rows[1] = rows[1]!.replace(/,205,/, ',NA,');
      rows[2] = rows[2]!.replace(/,220,/, ',many,');
      rows[3] = rows[3]!.replace('Dream', '');
      rows[4] = rows[4]!.replace('"Biscoe, north"', 'NA');
      rows[5] = rows[5]!.replace('Gentoo', '');
      rows[6] = rows[6]!.replace('Adelie', 'NA');
      rows[7] = rows[7]!.replace(/,205,/, ',,');
    });
  const shown = 'console.log(x.length, x[0].length, species, islands); console.log(';

  test('its recipe for CSV leaves out rows without a number or a category', async () => {
    const stdout = await run(recipe(withGaps()).replace('console.log(', shown));
    expect(stdout).toMatch(
      /^105 5 \[ 'Adelie', 'Chinstrap', 'Gentoo' \] \[ 'Biscoe, north', 'Dream' \]\n105 of 120 rows/,
    );
    expect(accuracyOf(stdout)).toBeGreaterThan(0.9);
  });

  test('its two lines fill gaps with the mean of the training rows', async () => {
    const code = recipe(withGaps());
    const [whole] = / && numeric\.every\(.*(?=;\n)/.exec(code)!;
    const [numbers] = /const numbers = .*\n/.exec(code)!;
    const lines = filling!.trim().split('\n');
    expect(lines).toHaveLength(2);
    const before = 'const given = structuredClone(numbers);\n';
    const after = 'console.log(JSON.stringify({ given, numbers, train: [...train] }));\n';
    const stdout = await run(code.replace(whole, '').replace(numbers, numbers + before + filling + after));
    const {
      given,
      numbers: filled,
      train,
    } = JSON.parse(stdout.split('\n')[0]!) as {
      given: (number | null)[][];
      numbers: number[][];
      train: number[];
    };
    expect(filled).toHaveLength(116);
    expect(given.flat().filter((n) => n === null)).toHaveLength(11); // 8 of mass, 3 of flipper
    for (const [i, row] of given.entries()) {
      for (const [c, n] of row.entries()) {
        const known = train.map((k) => given[k]![c]).filter((m) => m !== null) as number[];
        const mean = known.reduce((sum, m) => sum + m, 0) / known.length;
        expect(filled[i]![c]).toBeCloseTo(n ?? mean, 6);
      }
    }
    expect(accuracyOf(stdout)).toBeGreaterThan(0.9);
  });

  test('a row that lacks a column is an error that says where', async () => {
    const short = penguins((rows) => {
      rows[4] = 'Adelie,Dream,40';
    });
    expect(await failure(recipe(short))).toMatch(/Invalid Record Length: columns length is 5, got 3 on line 6/);
  });

  test('its folder of pictures is learned', async () => {
    const files = Array.from({ length: 24 }, (_, i) => {
      const color = [[220 - i, 30, 20], [20, 30, 220 - i]][i % 2] as unknown as [number, number, number]; // biome-ignore format: as pixels
      return [`flowers/${['poppy', 'bluebell'][i % 2]}/${i}.png`, plain(color, 40 + i, 36)];
    });
    const dir = folderOf(Object.fromEntries(files));
    const stdout = await run(folder!.replace("'flowers'", JSON.stringify(join(dir, 'flowers'))));
    expect(stdout).toMatch(/^\[ 'bluebell', 'poppy' \]/);
    expect(accuracyOf(stdout)).toBe(1);
  });
});
