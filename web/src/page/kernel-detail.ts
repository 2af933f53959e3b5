import type { Remote } from 'comlink';
import type { Api } from '../worker/api.ts';
import type { Comparison, Kernel, MeasuredVariant } from '../worker/kernels.ts';
import { create, percent, setText } from './dom.ts';
import { amount, formatDigits, milliseconds } from './numbers.ts';
import { readableWgsl } from './readable-wgsl.ts';

/** Details of the open kernel: measurements, WGSL, and a comparison with the reference. */
export function createKernelDetail(worker: Remote<Api>) {
  const root = create('div', { id: 'kernel', hidden: true });
  let opened: HTMLButtonElement | null = null;
  function close(): void {
    opened?.setAttribute('aria-expanded', 'false');
    opened = null;
    root.hidden = true;
    root.replaceChildren();
  }
  return {
    root,
    close,
    toggle(kernel: Kernel, button: HTMLButtonElement): void {
      const isOpen = opened === button;
      close();
      if (isOpen) return;
      opened = button;
      button.setAttribute('aria-expanded', 'true');
      root.hidden = false;
      root.append(create('h3', {}, kernel.name), figures(kernel), comparison(kernel, worker), ...text(kernel));
      root.scrollIntoView({ block: 'nearest' });
    },
  };
}

function figures({ choices, constants, dispatches, ms, flops, bytes, share, ceiling, shapes }: Kernel): HTMLElement {
  const list = create('dl');
  const add = (name: string, value: string) => list.append(create('dt', {}, name), create('dd', {}, value));
  const chosen = choices.map(({ operator, variant, sizes }) => {
    const all = Object.entries(sizes).map(([name, size]) => `${name} ${size}`);
    return `${variant} of ${operator} (${all.join(', ')})`;
  });
  add('Variant', chosen.join('; by ') || 'the only kernel of its operator');
  add('Time', `${milliseconds(ms)} in ${dispatches} ${dispatches === 1 ? 'dispatch' : 'dispatches'} a step`);
  add('FLOP', flops > 0 ? `${amount(flops).trim()}, a multiply-add counting as two` : 'not counted: it moves data');
  add('Bytes', `${amount(bytes)}B, each array counted once`);
  if (share !== null) add('Of ceiling', `${percent(share)} of the ${ceiling} ceiling`);
  add('Arrays', shapes || 'none');
  const values = Object.entries(constants).map(([name, value]) => `${name} = ${value}`);
  if (values.length > 0) add('Constants', values.join(', '));
  return list;
}

/** The WGSL text, at first without comments, then as in its files. */
function text({ name, wgsl }: Kernel): HTMLElement[] {
  const pre = create('pre', { tabIndex: 0, role: 'region', 'aria-label': `WGSL of ${name}` }, wgsl);
  const note = create('p', { className: 'hint' });
  const load = async (file: string) => {
    const response = await fetch(new URL(`wgsl/${file}.wgsl`, document.baseURI));
    if (!response.ok) throw new Error(`status ${response.status} for ${file}.wgsl`);
    return response.text();
  };
  readableWgsl(wgsl, load).then(
    (readable) => {
      pre.textContent = readable;
    },
    (error) => {
      note.textContent = `Without its comments, which cannot be fetched: ${error.message}`;
    },
  );
  return [note, pre];
}

function comparison({ choices: [choice], isReference }: Kernel, worker: Remote<Api>): HTMLElement {
  const root = create('div');
  if (!choice) return root;
  if (isReference) {
    root.append(create('p', { className: 'hint' }, 'This kernel is the reference.'));
    return root;
  }
  const state = create('p', { role: 'status' });
  const button = create('button', { type: 'button' }, 'Swap the reference in');
  const result = create('div', {
    className: 'scroll',
    tabIndex: 0,
    role: 'region',
    'aria-label': 'Variant and reference',
    hidden: true,
  });
  button.onclick = async () => {
    button.disabled = true;
    setText(state, 'Measuring both');
    try {
      const compared = await worker.compareWithReference(choice);
      result.replaceChildren(timesOf(compared));
      result.hidden = false;
      setText(state, verdict(compared));
    } catch (error) {
      setText(state, `Not compared: ${(error as Error).message}`);
    }
    button.disabled = false;
  };
  root.append(button, state, result);
  return root;
}

function timesOf({ variants }: Comparison): HTMLElement {
  const head = ['Variant', 'Kernels', 'Time in a step', 'Whole step', 'Loss of each step'];
  const loss = (losses: number[]) => (losses.reduce((sum, one) => sum + one, 0) / losses.length).toPrecision(7);
  return create(
    'table',
    {},
    create('thead', {}, create('tr', {}, ...head.map((name) => create('th', { scope: 'col' }, name)))),
    create(
      'tbody',
      {},
      ...variants.map(({ variant, kernels, ms, stepMs, losses }, i) =>
        create(
          'tr',
          {},
          create('th', { scope: 'row' }, i === 1 ? `${variant} (reference)` : variant),
          ...[kernels.join(', '), milliseconds(ms), milliseconds(stepMs), losses.map(loss).join(', ')].map((cell) =>
            create('td', {}, cell),
          ),
        ),
      ),
    ),
  );
}

function verdict({ isEqual, sameBits, difference, gradientDifference, tolerance, variants }: Comparison): string {
  const [chosen, reference] = variants as [MeasuredVariant, MeasuredVariant];
  const ratio = reference.ms / chosen.ms;
  const speed = `The reference ${ratio < 1 ? `is ${formatDigits(1 / ratio, 2)} times as fast` : `takes ${formatDigits(ratio, 2)} times as long`}.`;
  if (sameBits) return `${speed} Losses, and the weights after ${chosen.losses.length} steps, have the same bits.`;
  const differences =
    `losses differ by at most ${difference.toExponential(1)} (relative), gradients of the first step by ${gradientDifference.toExponential(1)} ` +
    `of the largest; the variants add in different orders, and up to ${tolerance.loss} and ${tolerance.gradient} count as equal`;
  return `${speed} ${isEqual ? 'Equal' : 'NOT equal, which is an error of a kernel or of the adapter'}: ${differences}.`;
}
