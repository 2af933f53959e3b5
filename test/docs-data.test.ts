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
const [folder, , csv] = [...text.matchAll(/```js\n([\s\S]*?)```/g)].map(([, code]) => code!);

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
  const [first, last] = ['const numeric', 'await model.fit'].map((begin) =>
    lines.findIndex((line) => line.startsWith(begin)),
  );
  expect(last! - first! + 1).toBeLessThan(15);
});

describeOnDevice('docs/DATA.md', () => {
  test('its recipe for CSV learns: numbers, gaps, a column of names', async () => {
    const code = recipe(penguins()).replace('console.log(', 'console.log(x.length, x[0].length); console.log(');
    const stdout = await run(code);
    expect(stdout).toMatch(/^112 5\n/); // 8 of 120 rows have a gap; three numbers and two islands
    expect(accuracyOf(stdout)).toBeGreaterThan(0.9);
  });

  test('text in a column of numbers is an error that says where, and so is a row that lacks a column', async () => {
    const inText = penguins((rows) => {
      for (const [i, row] of rows.entries()) rows[i] = row.replace(/,190,/, ',many,');
    });
    expect(await failure(recipe(inText))).toMatch(
      /DataError: standardization: number \d+ is NaN \(row \d+, column 1\)/,
    );
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
