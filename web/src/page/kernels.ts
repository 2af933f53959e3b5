import type { Remote } from 'comlink';
import type { Snapshot } from '../snapshot.ts';
import type { Api } from '../worker/api.ts';
import type { Kernel, KernelTable, LayerKernels } from '../worker/kernels.ts';
import { create, percent, setText } from './dom.ts';
import { createKernelDetail } from './kernel-detail.ts';
import { amount, milliseconds } from './numbers.ts';
import type { Panel } from './panel.ts';

const COLUMNS = ['Kernel', 'Dispatches', 'Time', 'Of ceiling'];

/** A table of the kernels of each layer's forward and backward pass; details of the open kernel are below it. */
export function createKernelsPanel(root: HTMLElement, worker: Remote<Api>): Panel {
  const state = create('p', { role: 'status' });
  const measure = create('button', { type: 'button', disabled: true }, 'Measure the kernels');
  const result = create('div');
  const detail = createKernelDetail(worker);
  root.append(
    create(
      'p',
      { className: 'hint' },
      'Times every kernel (a program on the adapter) of a training step, on a copy of the network. Training pauses meanwhile, and its results stay the same.',
    ),
    create('div', { className: 'buttons' }, measure),
    state,
    result,
    detail.root,
  );
  let network = 0;
  let isReady = false;
  let isBusy = false;
  const refresh = () => {
    measure.disabled = !isReady || isBusy;
  };
  measure.onclick = async () => {
    const measured = network;
    isBusy = true;
    refresh();
    setText(state, 'Measuring');
    try {
      const table = await worker.measureKernels();
      if (measured === network) {
        detail.close();
        result.replaceChildren(...tableOf(table, detail.toggle));
        setText(state, `Measured: ${table.dispatches} dispatches in ${milliseconds(table.stepMs)} a step.`);
      }
    } catch (error) {
      if (measured === network) setText(state, `Not measured: ${(error as Error).message}`);
    }
    isBusy = false;
    refresh();
  };
  return {
    update(snapshot: Snapshot): void {
      isReady = snapshot.state === 'paused' || snapshot.state === 'training';
      refresh();
      if (snapshot.network === network) return;
      network = snapshot.network;
      detail.close();
      result.replaceChildren();
      setText(state, '');
    },
  };
}

type Toggle = (kernel: Kernel, button: HTMLButtonElement) => void;

function tableOf(table: KernelTable, toggle: Toggle): HTMLElement[] {
  const { clock, clockReason, ceilings, layers } = table;
  const head = (text: string, properties = {}) => create('th', { scope: 'col', ...properties }, text);
  const passes = ['Forward', 'Backward'].map((pass) => head(pass, { colSpan: COLUMNS.length, scope: 'colgroup' }));
  const columns = [...COLUMNS, ...COLUMNS].map((column) => head(column));
  const how =
    clock === 'timestamps'
      ? "by the adapter's timestamps, within whole steps"
      : `for each dispatch alone, submitted and waited for (${clockReason}); the step by the wall clock`;
  return [
    create(
      'div',
      { className: 'scroll', tabIndex: 0, role: 'region', 'aria-label': 'Table of kernels' },
      create(
        'table',
        { className: 'kernels' },
        create('thead', {}, create('tr', {}, head('Layer', { rowSpan: 2 }), ...passes), create('tr', {}, ...columns)),
        ...layers.map((layer) => bodyOf(layer, toggle)),
      ),
    ),
    create(
      'p',
      { className: 'hint' },
      `Time is measured ${how}. The ceilings of this adapter, also measured, are ${amount(1e9 * ceilings.fmaGflops)}FLOP/s (multiply-adds in registers) ` +
        `and ${amount(1e9 * ceilings.copyGBs)}B/s (a copy). Of ceiling: the time that a kernel would take at the ceiling for its FLOP or its bytes, ` +
        'whichever is longer, in percent of its time. More than 100% is possible: cached data is faster than a copy, and a busy machine lowers the ceilings.',
    ),
  ];
}

function bodyOf({ layer, forward, backward }: LayerKernels, toggle: Toggle): HTMLElement {
  const rows = Math.max(1, forward.length, backward.length);
  const body = create('tbody');
  for (let i = 0; i < rows; i++) {
    const row = create('tr');
    if (i === 0) row.append(create('th', { scope: 'rowgroup', rowSpan: rows }, layer ?? 'batch, loss, optimizer'));
    for (const kernels of [forward, backward]) row.append(...cellsOf(kernels[i], i === 0, toggle));
    body.append(row);
  }
  return body;
}

function cellsOf(kernel: Kernel | undefined, isFirst: boolean, toggle: Toggle): HTMLElement[] {
  if (!kernel) return [create('td', { colSpan: COLUMNS.length, className: 'none' }, isFirst ? 'none' : '')];
  const { name, choices, dispatches, ms, share, ceiling } = kernel;
  const button = create('button', { type: 'button', className: 'open', 'aria-expanded': false }, name);
  button.setAttribute('aria-controls', 'kernel');
  button.onclick = () => toggle(kernel, button);
  const variants = choices.map(({ operator, variant }) => `${operator}: ${variant}`).join(', ');
  return [
    create('td', {}, button, create('small', {}, variants)),
    create('td', { className: 'number' }, String(dispatches)),
    create('td', { className: 'number' }, milliseconds(ms)),
    create('td', { className: 'number' }, share === null ? '-' : percent(share), create('small', {}, ceiling)),
  ];
}
