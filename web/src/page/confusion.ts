import type { Remote } from 'comlink';
import { SETS } from '../sets.ts';
import type { Snapshot } from '../snapshot.ts';
import type { Api } from '../worker/api.ts';
import { create, percent, setText } from './dom.ts';
import { live, unlessGone } from './live.ts';
import type { Panel } from './panel.ts';
import { createPixels, showImage } from './pixels.ts';

const ARROWS: Readonly<Record<string, readonly [number, number]>> = {
  ArrowUp: [-1, 0],
  ArrowDown: [1, 0],
  ArrowLeft: [0, -1],
  ArrowRight: [0, 1],
};

const CHOOSE = 'Choose a cell to see its images.';

/** The confusion matrix of the test images; a click on a cell shows its images. */
export function createConfusionPanel(root: HTMLElement, worker: Remote<Api>): Panel {
  const summary = create('p', { className: 'hint' });
  const table = create('table', { className: 'confusion' });
  const heading = create('h3', { 'aria-live': 'polite' }, CHOOSE);
  const images = create('ul', { className: 'mistakes' });
  root.append(
    summary,
    create('div', { className: 'scroll' }, table),
    create('div', { className: 'cell' }, heading, images),
  );
  let cells: HTMLButtonElement[][] = [];
  let classes: readonly string[] = [];
  let chosen: readonly [number, number] | null = null;
  let latest: Snapshot | null = null;

  function build(names: readonly string[]): void {
    classes = names;
    chosen = null;
    table.classList.toggle(
      'named',
      names.some((name) => name.length > 2),
    );
    setText(heading, CHOOSE);
    images.replaceChildren();
    cells = names.map((truth, t) =>
      names.map((predicted, p) =>
        create('button', {
          type: 'button',
          tabIndex: t + p === 0 ? 0 : -1,
          onclick: () => void unlessGone(choose(t, p)),
          onkeydown: (event: KeyboardEvent) => {
            const [down, right] = ARROWS[event.key] ?? [0, 0];
            const next = cells[t + down]?.[p + right];
            if (!next || next === event.currentTarget) return;
            event.preventDefault();
            makeFocusable(next);
            next.focus();
          },
          title: `${truth} classified as ${predicted}`,
          'aria-pressed': false,
        }),
      ),
    );
    table.replaceChildren(
      create('caption', {}, 'Rows: true class. Columns: predicted class.'),
      create('thead', {}, create('tr', {}, create('td'), ...names.map((name) => create('th', { scope: 'col' }, name)))),
      create(
        'tbody',
        {},
        ...names.map((name, t) =>
          create('tr', {}, create('th', { scope: 'row' }, name), ...cells[t]!.map((cell) => create('td', {}, cell))),
        ),
      ),
    );
  }

  /** Makes one cell reachable by Tab; arrows reach the others. */
  function makeFocusable(cell: HTMLButtonElement): void {
    for (const other of cells.flat()) other.tabIndex = other === cell ? 0 : -1;
  }

  async function choose(truth: number, predicted: number): Promise<void> {
    chosen = [truth, predicted];
    for (const [t, row] of cells.entries()) {
      for (const [p, cell] of row.entries()) cell.setAttribute('aria-pressed', String(t === truth && p === predicted));
    }
    makeFocusable(cells[truth]![predicted]!);
    await showCell(truth, predicted);
  }

  async function showCell(truth: number, predicted: number): Promise<void> {
    const found = await worker.imagesOfCell(truth, predicted);
    const isCorrect = truth === predicted;
    const cellName = `${classes[truth]} classified as ${classes[predicted]}`;
    setText(heading, found.length > 0 ? `${cellName}; the most certain first` : `${cellName}: no image`);
    images.replaceChildren(
      ...found.map(({ index, pixels, probability, probabilityOfTrue }) => {
        const canvas = createPixels(`Test image ${index + 1}`);
        showImage(canvas, pixels, SETS[latest!.settings.data].shape);
        const line = (name: number, p: number) => create('div', {}, `${classes[name]}: ${percent(p)}`);
        return create(
          'li',
          {},
          canvas,
          line(predicted, probability),
          ...(isCorrect ? [] : [line(truth, probabilityOfTrue)]),
        );
      }),
    );
  }

  const refresh = live(async (snapshot) => {
    const { data } = snapshot.settings;
    if (!latest || latest.settings.data !== data) build(SETS[data].classes);
    latest = snapshot;
    if (snapshot.step === 0) {
      // Not before the first step, so that a click waits only for the kernels of that step.
      for (const cell of cells.flat()) setText(cell, '');
      setText(summary, 'After the first step, this shows how the network classifies the test images.');
      return;
    }
    const counts = await worker.testCounts();
    let [correct, total] = [0, 0];
    for (const [t, row] of counts.entries()) {
      const support = row.reduce((sum, n) => sum + n, 0);
      correct += row[t]!;
      total += support;
      for (const [p, n] of row.entries()) {
        const cell = cells[t]![p]!;
        setText(cell, String(n));
        cell.setAttribute('aria-label', `${classes[t]} classified as ${classes[p]}: ${n}`);
        cell.className = t === p ? 'right' : 'wrong';
        cell.style.setProperty('--share', String(n / Math.max(1, support)));
      }
    }
    setText(
      summary,
      `${correct} of ${total} test images are classified correctly (${percent(correct / Math.max(1, total))}), after step ${snapshot.step.toLocaleString('en')}.`,
    );
    if (chosen) await showCell(...chosen);
  }, 8);
  return { update: refresh };
}
